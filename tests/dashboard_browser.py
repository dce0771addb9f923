"""The tenants' dashboard in a real browser. Chromium and gunicorn are started once a module; each test has its own
rows, people and sessions.

    from tests.dashboard_browser import PHONE, Dashboard

    def test_a_page(dashboard: Dashboard) -> None:
        visit = dashboard.visit("/dashboard/", as_="bob", viewport=PHONE, scheme="dark")
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("Overview")
        assert visit.violations() == []
        visit.assert_clean()
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from django.db import connection

from apps.tenants.machine import database_url
from tests.casts import Cast
from tests.web import served

if TYPE_CHECKING:  # conftest.py loads this file for every run, and few look at pages
    from playwright.sync_api import Browser, BrowserContext, Page, Response, StorageState

PASSWORD = "correct horse"  # tests.factories
DESKTOP = (1440, 900)
PHONE = (390, 844)
Scheme = Literal["light", "dark"]
# Chromium names the directive in its own words; this adds what was blocked, and works where a page swallows errors.
_WATCH = """
document.addEventListener("securitypolicyviolation", event =>
    console.error(`refused by policy: ${event.effectiveDirective} ${event.blockedURI}`));
"""
_RUN_AXE = """([within, rules]) => axe.run(within ?? document,
    { resultTypes: ["violations"], selectors: false, ...(rules.length && { runOnly: rules }) })"""
# A navigation ends the requests of the page before it.
_ENDED_BY_LEAVING = "net::ERR_ABORTED"


class Visit:
    """A page, and what it complained about."""

    def __init__(self, page: Page, root: str) -> None:
        self.page, self.root = page, root
        self.complaints: list[str] = []
        page.set_default_timeout(15_000)
        page.add_init_script(_WATCH)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)
        self._pending: set[Any] = set()
        page.on("request", lambda request: self._pending.add(request))
        page.on("requestfinished", lambda request: self._pending.discard(request))
        page.on("requestfailed", lambda request: self._pending.discard(request))

    def settle(self) -> None:
        """Until the page has what it asks for; it goes on asking each second whether anything moved."""
        self.page.wait_for_load_state("load")
        quiet = 0
        while quiet < 3:
            self.page.wait_for_timeout(50)
            quiet = 0 if self._pending else quiet + 1

    def open(self, path: str) -> None:
        answer = self.page.goto(self.root + path)
        assert answer is not None
        assert answer.status == 200, path

    def violations(self, within: str | None = None, *rules: str) -> list[str]:
        """What axe has against the page, or against the part of it that the selector `within` finds; by these rules of
        its, or by all.
        """
        if not self.page.evaluate("'axe' in window"):
            import axe_playwright_python

            self.page.evaluate(Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text())
        found = self.page.evaluate(_RUN_AXE, [within, list(rules)])
        return [
            f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def assert_clean(self, *allowed: int) -> None:
        """No error in the console or the page, nothing refused by the policy, no request failed or answered with 400
        and up, but with a status that is `allowed`.
        """
        statuses = tuple(f"answer: {status} " for status in allowed)
        assert [said for said in self.complaints if not said.startswith(statuses or "\0")] == []

    def resize(self, viewport: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": viewport[0], "height": viewport[1]})

    def scheme(self, scheme: Scheme) -> None:
        self.page.emulate_media(color_scheme=scheme)

    def _said(self, message: Any) -> None:
        # The answer itself says more.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400:
            self.complaints.append(f"answer: {answer.status} {answer.request.method} {answer.url}")

    def _failed(self, request: Any) -> None:
        if request.failure != _ENDED_BY_LEAVING:
            self.complaints.append(f"failed: {request.failure} {request.method} {request.url}")


class Dashboard:
    """A tenant's pages, looked at by its people: alice (owner), ann (admin), bob (member), vic (viewer)."""

    def __init__(self, chromium: Browser, port: int, cast: Cast) -> None:
        self.cast, self.tenant = cast, cast.tenant
        self.root = f"http://{cast.host}:{port}"
        self._chromium = chromium
        self.sessions: dict[str, StorageState] = {}
        self._contexts: list[BrowserContext] = []

    def visit(
        self,
        path: str | None = None,
        *,
        as_: str | None = "alice",
        viewport: tuple[int, int] = DESKTOP,
        scheme: Scheme = "light",
        **context: Any,
    ) -> Visit:
        """A new page at `path`, signed in `as_` that person (None: nobody). More options are a context's, such as
        `timezone_id`, `locale` or `reduced_motion`.
        """
        if as_ is not None:
            context["storage_state"] = self.sessions.get(as_) or self._sign_in(as_)
        visit = self._visit(viewport, scheme, context)
        if path is not None:
            visit.open(path)
        return visit

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _visit(self, viewport: tuple[int, int], scheme: Scheme, context: dict[str, Any]) -> Visit:
        size: Any = {"width": viewport[0], "height": viewport[1]}
        made = self._chromium.new_context(viewport=size, color_scheme=scheme, **context)
        self._contexts.append(made)
        return Visit(made.new_page(), self.root)

    def _sign_in(self, person: str) -> StorageState:
        """By the form."""
        from playwright.sync_api import expect

        visit = self._visit(DESKTOP, "light", {})
        visit.open("/dashboard/sign-in/")
        visit.page.get_by_label("Email or user name").fill(f"{person}-{self.tenant.schema_name}")
        visit.page.get_by_label("Password").fill(PASSWORD)
        visit.page.get_by_role("button", name="Sign in").click()
        expect(visit.page).to_have_url(f"{self.root}/dashboard/")
        self.sessions[person] = visit.page.context.storage_state()
        visit.page.context.close()
        return self.sessions[person]


@pytest.fixture(scope="module")
def _site(
    _session_tenants: dict[str, Any], django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port. What emptying the database between tests does to its connections, their health check mends."""
    with django_db_blocker.unblock():
        url = database_url()
    with served(url, tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.fixture(scope="module")
def _chromium(_site: int) -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("looks at pages in a browser: install Debian's chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # the machine has other tests to run
    # Playwright runs a loop in this thread, in which Django would refuse to touch the database. It has a connection of
    # its own there: the one before, left open, would be ended with the other sessions when the database is emptied.
    connection.close()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        connection.close()  # another browser's tests may have left the loop's, ended by now
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def dashboard(live_db: str, _site: int, _chromium: Browser, cast: Cast) -> Iterator[Dashboard]:
    """Acme's. Pages that a test opened are closed before its rows go."""
    dashboard = Dashboard(_chromium, _site, cast)
    yield dashboard
    dashboard.close()
