"""The operators' admin in a real browser: its policy lets its pages work, and refuses what is not theirs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import User
from tests.admin_rows import PUBLIC, rows_of
from tests.web import served

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
PASSWORD = "correct horse battery"
# Told by the page itself, so that a directive's name comes with it.
_WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", event =>
    window.refused.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


class Browser:
    def __init__(self, page: Page, root: str) -> None:
        self.page, self.root = page, root
        self.complaints: list[str] = []
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.add_init_script(_WATCH)
        page.set_default_timeout(20_000)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.root + path)
        assert answer is not None
        assert answer.status == 200, path

    def refused(self) -> list[str]:
        return list(self.page.evaluate("window.refused"))


@pytest.fixture
def olga_at(live_db: str, acme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Signed in, by the form."""
    User.objects.create_superuser("olga", password=PASSWORD)
    with all_tenants_scope():
        rows_of(acme)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("looks at pages in a browser: install Debian's chromium")
    # Playwright runs a loop in this thread, in which Django would refuse to touch the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    expect.set_options(timeout=20_000)  # the machine has other tests to run
    with served(live_db, tmp_path) as port, sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        browser = Browser(chrome.new_page(), f"http://localhost:{port}")
        browser.open("/admin/login/")
        browser.page.fill("input[name=username]", "olga")
        browser.page.fill("input[name=password]", PASSWORD)
        browser.page.click("button[type=submit]")
        browser.page.wait_for_url("**/admin/")
        yield browser
        connection.close()  # the loop's own, which nobody reaches without it
        chrome.close()


def test_every_page_works_without_a_complaint(olga_at: Browser) -> None:
    pages = [
        "/admin/",
        "/admin/reconcile/",
        "/admin/runbooks/",
        "/admin/runbooks/no_leader/",
        *(
            reverse(f"admin:{name}", PUBLIC)
            for name in (
                "jobs_job_changelist",
                "tenants_tenant_changelist",
                "tenants_user_add",
                "tenants_auditentry_changelist",
                "executions_executionlog_changelist",
                "password_change",
            )
        ),
    ]
    for path in pages:
        olga_at.open(path)
        olga_at.page.wait_for_function("window.Alpine !== undefined")
        assert olga_at.refused() == [], path
    assert olga_at.complaints == []


def test_on_call_asks_why_a_job_did_not_run(olga_at: Browser) -> None:
    olga_at.open(reverse("admin:jobs_job_changelist", PUBLIC))
    olga_at.page.get_by_role("link", name="job of acme").click()
    olga_at.page.get_by_role("link", name="Why didn't it run?").click()
    expect(olga_at.page.get_by_text("Before the job was made")).to_be_visible()
    olga_at.page.get_by_label("At one instant").fill("2020-02-20 20:20:20")
    for name in ("or from", "to"):
        olga_at.page.get_by_label(name, exact=True).fill("")
    olga_at.page.get_by_role("button", name="Ask").click()
    olga_at.page.get_by_role("link", name="The time after").click()
    expect(olga_at.page.get_by_text("Before the job was made")).to_be_visible()
    assert olga_at.refused() == []
    assert olga_at.complaints == []


def test_scripts_and_frames_from_elsewhere_are_refused(olga_at: Browser) -> None:
    olga_at.open("/admin/")
    olga_at.page.evaluate(
        """() => {
            for (const [tag, attribute] of [["script", "src"], ["iframe", "src"], ["img", "src"]]) {
                const made = document.createElement(tag);
                made.setAttribute(attribute, "http://127.0.0.1:9/x");
                document.body.append(made);
            }
            fetch("http://127.0.0.1:9/x").catch(() => {});
        }"""
    )
    olga_at.page.wait_for_function("window.refused.length >= 4")
    kinds = {told.split()[0] for told in olga_at.refused()}
    assert kinds == {"script-src-elem", "frame-src", "img-src", "connect-src"}
