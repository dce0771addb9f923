"""On-call in a browser, by links and buttons from the first page on: one execution, a repair, a runbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from apps.executions.models import Counter
from apps.jobs.models import Cursor
from apps.operations.models import Acknowledgement
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry, User
from tests.dashboard_browser import Visit
from tests.dashboard_jobs import ran
from tests.drift import MINUTE, START, minutely, stands

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
PASSWORD = "correct horse battery"


@pytest.fixture
def olga(live_db: str, _site: int, _chromium: Browser) -> Iterator[Visit]:
    """On call, at the first page of the admin."""
    User.objects.create_superuser("olga", password=PASSWORD)
    context = _chromium.new_context(viewport={"width": 1440, "height": 900})
    visit = Visit(context.new_page(), f"http://localhost:{_site}")
    visit.open("/admin/")
    visit.page.get_by_label("Username").fill("olga")
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.page.get_by_role("button", name="Log in").click()
    expect(visit.page).to_have_url(f"{visit.root}/admin/")
    yield visit
    context.close()


def test_from_home_to_the_one_execution_that_failed(olga: Visit, acme: Any) -> None:
    with all_tenants_scope():
        job = minutely(acme, last_scheduled_for=START, next_run_at=START + MINUTE)
        for minutes in (3, 2, 1):
            ran(job, minutes_ago=minutes, status="failed")
        Cursor.objects.filter(job=job).update(
            last_status="failed", consecutive_failures=3, failure_reason="The bank answered 503."
        )
        Counter.objects.create(
            tenant=acme, user_key="", task_type=job.task_type, status="failed", n=3,
            hour=datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
        )  # fmt: skip
    page = olga.page
    page.reload()
    expect(page.get_by_text("The bank answered 503.").first).to_be_visible()
    failing = page.locator("#failing")
    failing.get_by_role("link", name="Acme").click()
    expect(page).to_have_url(re.compile("tenant__id__exact="))
    page.get_by_role("link", name="every minute").click()
    expect(page.get_by_text("The bank answered 503.").first).to_be_visible()
    page.get_by_role("link", name="Why didn't it run?").click()
    page.locator("a[href*='/executions/executionlog/'][href$='/change/']").first.click()
    expect(page).to_have_url(re.compile(r"/admin/executions/executionlog/\d+/change/"))
    for words in ("every minute", "The bank answered 503.", "Failed"):
        expect(page.get_by_text(words, exact=True).first).to_be_visible()
    olga.assert_clean()


def test_drift_is_looked_at_then_repaired_with_a_reason(olga: Visit, acme: Any) -> None:
    with all_tenants_scope():
        job = minutely(
            acme, next_run_at=START - timedelta(days=400), last_scheduled_for=START - timedelta(days=1)
        )
        before = stands(job)
    page = olga.page
    page.get_by_role("link", name="Reconcile").first.click()
    page.get_by_label("Kind").select_option("cursors")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("1 found at")).to_be_visible()
    expect(page.get_by_role("link", name="every minute")).to_be_visible()
    expect(page.locator("del").first).to_be_visible()
    with all_tenants_scope():
        assert stands(job) == before, "a look changes nothing"
    page.get_by_label("Reason").fill("runbook: late")
    page.get_by_role("button", name="Repair 1").click()
    expect(page.get_by_text("0 created, 1 repaired")).to_be_visible()
    with all_tenants_scope():
        assert stands(job) != before
        assert AuditEntry.objects.get(action="reconcile.cursors").reason == "runbook: late"
    page.get_by_role("link", name="Reconcile").first.click()
    page.get_by_label("Kind").select_option("cursors")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("All is as it should be.")).to_be_visible()
    olga.assert_clean()


def test_a_runbook_is_read_and_acknowledged(olga: Visit) -> None:
    page = olga.page
    page.get_by_role("link", name=re.compile("runbooks nobody has acknowledged")).click()
    waiting = page.get_by_text(re.compile(r"^\s*What to do when an alert fires"))
    [left] = re.findall(r"(\d+) of \d+ wait", waiting.inner_text())
    page.get_by_role("link", name="No leader").click()
    page.get_by_role("button", name="I have read this").click()
    expect(page.get_by_role("row", name=re.compile("^No leader "))).to_contain_text("olga (operator)")
    with all_tenants_scope():
        assert Acknowledgement.objects.get().actor == "olga (operator)"
    expect(waiting).to_contain_text(f"{int(left) - 1} of ")
    olga.assert_clean()
