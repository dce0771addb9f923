"""What needs a person, in a real browser: why, what to do, and doing it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from apps.executions.models import Execution
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.states import ENDPOINT_GONE
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.contract.records import Records, now
from tests.dashboard_browser import PHONE, Dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PATH = "/dashboard/attention/"


class Troubles:
    """Of bob: a job in a cool-off, one in quarantine, one that fails in a row and one whose endpoint is gone."""

    def __init__(self, owner: Any) -> None:
        self.made = Records(owner)
        self.cooling = self._stands(
            "Import orders",
            consecutive_failures=5,
            cool_off_until=now() + HOUR,
            failure_reason="the server answered 503, expected 200",
            last_failure_at=now() - MINUTE,
        )
        self.quarantined = self._stands(
            "Nightly <b>report</b>",
            quarantined_at=now() - HOUR,
            quarantine_reason="There is no zone Mars/Base.",
        )
        self.failing = self._stands(
            "Send mails",
            consecutive_failures=3,
            failure_reason="timed out after 60 s",
            last_failure_at=now() - HOUR,
        )
        self.gone = self._stands(
            "Ping the old shop", consecutive_failures=1, failure_reason="410", last_failure_at=now()
        )
        services.job_pause(
            tenant=self.made.tenant, job_id=self.gone.pk, reason=ENDPOINT_GONE, actor="scheduler"
        )
        for minutes, error in ((3, "HTTP 503"), (2, "no answer"), (1, "HTTP 503")):
            self.made.finished(
                self.cooling, now() - minutes * MINUTE, error_text=f"{error} in full", error_message=error
            )

    def _stands(self, name: str, **columns: Any) -> Job:
        job = self.made.job(name=name)
        with all_tenants_scope():
            Cursor.objects.filter(job_id=job.pk).update(**columns)
        return job

    def cursor(self, job: Job) -> Cursor:
        with all_tenants_scope():
            found: Cursor = Cursor.objects.get(job_id=job.pk)
        return found


@pytest.fixture
def troubles(dashboard: Dashboard) -> Troubles:
    return Troubles(dashboard.cast.bob)


def card(page: Page, job: Job) -> Locator:
    return page.locator(f"#tasks li[data-key='{job.pk}']")


def test_it_says_why_and_what_to_do(dashboard: Dashboard, troubles: Troubles) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH, as_="bob")
    page = visit.page
    expect(page.locator("#tasks h3")).to_have_count(4)
    cooling = card(page, troubles.cooling)
    expect(cooling).to_contain_text("Cooling off after 5 failures in a row, until")
    expect(cooling).to_contain_text("The endpoint reports an error of its own")
    expect(cooling).to_contain_text("Most oftenHTTP 503Also1 other error")
    expect(cooling.get_by_role("img", name="Last 3 runs: 3 failed; the last failed")).to_be_visible()
    expect(cooling.get_by_role("link", name="Edit Import orders")).to_have_attribute(
        "href", f"/dashboard/jobs/{troubles.cooling.pk}/edit/"
    )
    quarantined = card(page, troubles.quarantined)
    expect(quarantined.get_by_role("link", name="Nightly <b>report</b>", exact=True)).to_be_visible()
    expect(quarantined).to_contain_text("its schedule cannot be worked out: There is no zone Mars/Base.")
    expect(card(page, troubles.failing)).to_contain_text("3 failures in a row. It goes on by its schedule.")
    expect(card(page, troubles.gone)).to_contain_text("its endpoint answered 410 Gone")
    expect(page.locator("#summary")).to_contain_text("Critical3")
    expect(page.locator("#failures li")).to_have_count(3)
    page.get_by_role("button", name="Look at this execution").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("HTTP 503 in full")
    page.keyboard.press("Escape")
    assert visit.violations() == []
    visit.resize(PHONE)
    visit.scheme("dark")
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    assert visit.violations() == []
    visit.assert_clean()


def test_run_now_and_resume_ask_for_a_reason(dashboard: Dashboard, troubles: Troubles) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH)
    page = visit.page
    page.get_by_role("button", name="Run now Import orders").press("Enter")
    page.get_by_label("Reason (optional)").fill("the shop is back")
    assert visit.violations("dialog") == []
    page.keyboard.press("Enter")
    expect(page.get_by_text("Import orders will run as soon as a worker is free.")).to_be_visible()
    expect(card(page, troubles.cooling)).to_contain_text("Failing")
    # The card was made anew; the keyboard goes on within it.
    expect(card(page, troubles.cooling).locator(":focus")).to_have_count(1)
    page.get_by_role("button", name="Resume Nightly").click()
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(card(page, troubles.quarantined)).to_have_count(0)
    page.get_by_role("button", name="Pause Send mails").click()
    page.get_by_label("Reason", exact=True).fill("until Monday")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(card(page, troubles.failing)).to_contain_text("Paused, after 3 failures in a row.")
    visit.assert_clean()
    assert troubles.cursor(troubles.quarantined).quarantined_at is None
    with all_tenants_scope():
        assert Execution.objects.filter(job_id=troubles.cooling.pk).count() == 1
        entry = AuditEntry.objects.get(action="job.manual_trigger")
        assert entry.reason == "the shop is back"


def test_many_at_once_and_what_was_refused(dashboard: Dashboard, troubles: Troubles) -> None:
    from playwright.sync_api import expect

    deleted = troubles.made.job(name="Deleted since")
    troubles.made.finished(deleted, now() - MINUTE, error_text="x")
    services.job_delete(tenant=troubles.made.tenant, job_id=deleted.pk, actor="tests")
    visit = dashboard.visit(PATH)
    page = visit.page
    for name in ("Import orders", "Send mails"):
        page.locator("#tasks").get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("button", name="Run selected now (2)").click()
    page.get_by_role("button", name="Run now", exact=True).click()
    expect(page.get_by_text("2 jobs will run as soon as a worker is free.")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#failures-all").check()
    page.get_by_role("button", name="Retry selected (4)").click()
    page.get_by_role("button", name="Retry", exact=True).click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("3 will run again as soon as a worker is free. 1 refused:")
    expect(panel).to_contain_text("Deleted since The job of this execution has been deleted.")
    assert visit.violations("dialog") == []
    page.keyboard.press("Escape")
    expect(page.locator("#failures li")).to_have_count(1)
    visit.assert_clean()
    with all_tenants_scope():
        assert Execution.objects.exclude(retry_of=None).count() == 3


def test_viewers_look_and_do_nothing(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    Troubles(dashboard.cast.vic)
    visit = dashboard.visit(PATH, as_="vic")
    expect(visit.page.locator("#tasks h3")).to_have_count(4)
    expect(visit.page.locator("#failures li")).to_have_count(3)
    buttons = visit.page.locator("main").get_by_role("button")
    expect(buttons).to_have_text(["Look", "Look", "Look"])
    expect(visit.page.locator("main").get_by_role("checkbox")).to_have_count(0)
    visit.assert_clean()


def test_nothing_needs_you_and_no_answer(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(as_="ann")
    page = visit.page
    page.route("**/tasks-needing-intervention*", lambda route: route.abort())
    visit.open(PATH)
    expect(page.get_by_role("heading", name="This could not be read")).to_be_visible()
    page.unroute("**/tasks-needing-intervention*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Nothing needs you")).to_be_visible()
    expect(page.get_by_role("heading", name="No failure is left over")).to_be_visible()
    assert visit.violations() == []
