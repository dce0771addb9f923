"""The first page in a real browser: what it says of a tenant that is new, that is well, and that is in trouble."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from apps.executions.models import Execution
from apps.jobs.models import Cursor, Job
from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.tenants.context import all_tenants_scope
from tests.dashboard_browser import PHONE, Dashboard
from tests.dashboard_jobs import NIGHTLY, job_of, ran, skipped

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
SECTIONS = ("#stats", "#jobs-tree", "#execution-logs", "#event-history")
_SHIFTS = """
window.shifted = 0;
const add = one => { if (!one.hadRecentInput) window.shifted += one.value; };
new PerformanceObserver(list => list.getEntries().forEach(add))
    .observe({ type: "layout-shift", buffered: true });
"""


def somebody_leads() -> None:
    """For as long as a test takes."""
    LeaderTerm.objects.create(
        term_id=uuid.uuid4(), replica="tests", host="h", process_id=1, backend_pid=1,
        heartbeat_at=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip


def journal(job: Job, event_type: str, *, days_ago: int = 0, **columns: Any) -> None:
    SchedulerEvent.objects.create(
        tenant_id=job.tenant_id, job_id=job.id, job_type=job.task_type, user_id=job.user_id, event_type=event_type,
        event_date=datetime.now(UTC) - timedelta(days=days_ago, minutes=1), **columns,
    )  # fmt: skip


def stat(page: Page, name: str) -> Any:
    return page.locator("#stats .stat").filter(has=page.get_by_text(name, exact=True))


def test_a_new_tenant_is_told_what_a_job_is(dashboard: Dashboard) -> None:
    visit = dashboard.visit()
    page = visit.page
    page.clock.install()
    visit.open("/dashboard/")
    expect(page.locator("#verdict")).to_contain_text("Nobody leads: nothing is dispatched")
    with all_tenants_scope():
        somebody_leads()
    page.clock.fast_forward(11_000)
    expect(page.locator("#verdict")).to_contain_text("There are no jobs yet.")
    expect(page.get_by_role("link", name="Create your first job")).to_have_attribute(
        "href", "/dashboard/jobs/new/"
    )
    for section in SECTIONS:
        expect(page.locator(section)).to_be_visible()
    expect(page.locator("#execution-logs")).to_contain_text("Nothing has run yet")
    assert visit.violations() == []
    visit.assert_clean()
    looking = dashboard.visit("/dashboard/", as_="vic")
    expect(looking.page.locator("#verdict")).to_contain_text("can create the first")
    expect(looking.page.get_by_role("link", name=re.compile("Create"))).to_have_count(0)
    looking.assert_clean()


def test_what_runs_what_failed_and_why(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        somebody_leads()
        job, other = job_of(dashboard), job_of(dashboard, "Warm the cache", task_category="search")
        for minutes in range(2, 12):
            ran(job, status="failed" if minutes == 2 else "success", minutes_ago=minutes)
        ran(job)
        skipped(other, minutes_ago=30)
        Cursor.objects.filter(job=job).update(
            last_status="failed",
            consecutive_failures=1,
            last_failure_at=datetime.now(UTC),
            failure_reason="The bank answered 503.",
        )
        journal(
            job,
            "job_failed",
            error_message="The bank answered 503.",
            event_data={"job_name": NIGHTLY, "count": 1},
        )
        journal(
            job,
            "job_scheduled",
            days_ago=20,
            event_data={"job_name": NIGHTLY, "action": "job.resume", "reason": ""},
        )
    visit = dashboard.visit(scheme="dark")
    visit.page.add_init_script(_SHIFTS)
    visit.open("/dashboard/")
    page = visit.page
    expect(page.locator("#verdict")).to_contain_text(f"The last run of 1 job failed: {NIGHTLY}")
    expect(page.locator("#verdict")).to_contain_text("The bank answered 503.")
    expect(stat(page, "Jobs").locator("dd").first).to_have_text("2")
    expect(stat(page, "Failed, last 24 h").locator("dd").first).to_have_text("1")
    expect(stat(page, "Failed, last 24 h")).to_contain_text("10 % of what ran")
    logs = page.locator("#execution-logs tbody tr")
    expect(logs).to_have_count(10)
    expect(logs.first).to_contain_text("Running")
    expect(page.locator("#jobs-tree .trouble")).to_contain_text("The bank answered 503.")
    expect(page.locator("#jobs-tree").get_by_role("img").first).to_have_attribute(
        "aria-label", re.compile("^Last 11 runs")
    )
    expect(
        page.get_by_role(
            "img", name=re.compile("^Outcomes per hour in the last 24 hours: 9 succeeded, 1 failed")
        )
    ).to_be_visible()
    page.locator("#hours summary").first.press("Enter")
    expect(page.get_by_role("region", name="Outcomes per hour, newest first")).to_be_visible()
    assert visit.violations() == []
    assert page.evaluate("window.shifted") < 0.02
    page.get_by_label("Show").select_option("failed")
    expect(logs).to_have_count(1)
    expect(logs.first).to_contain_text("The bank answered 503.")
    expect(page.get_by_role("link", name="All executions")).to_have_attribute(
        "href", re.compile(r"\?status=failed$")
    )
    logs.first.get_by_role("button", name=NIGHTLY).press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("The bank answered 503.")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    page.get_by_label("Show").select_option("skipped")
    expect(logs.first).to_contain_text("The run before was still going; 2 due times")
    events = page.locator("#event-history tbody tr")
    page.get_by_label("Type").select_option("job_failed")
    expect(events).to_have_text([re.compile(f"{NIGHTLY} failed: The bank answered 503.")])
    page.get_by_label("Of the last").select_option("30")
    page.get_by_label("Type").select_option("job_scheduled")
    expect(events.last).to_contain_text(f"{NIGHTLY} was resumed")
    expect(page).to_have_url(re.compile("status=skipped&event_type=job_scheduled&days=30"))
    page.reload()
    expect(events).to_have_count(3)
    visit.assert_clean()


def test_an_end_is_seen_by_itself_and_a_member_sees_own_jobs(dashboard: Dashboard) -> None:
    bob = f"bob-{dashboard.tenant.schema_name}"
    with all_tenants_scope():
        somebody_leads()
        job_of(dashboard)
        job = job_of(dashboard, "Bob's report", user_id=bob)
        ran(job)
    visit = dashboard.visit("/dashboard/", as_="bob", viewport=PHONE)
    page = visit.page
    expect(stat(page, "Your jobs").locator("dd").first).to_have_text("1")
    row = page.locator("#execution-logs tbody tr")
    expect(row).to_contain_text(["Running"])
    with all_tenants_scope():
        Execution.objects.all().delete()
        ran(job, status="success")
    expect(row).to_contain_text(["Succeeded"])
    page.reload()
    expect(page.locator("#verdict")).to_contain_text(
        "All is well: 1 run in the last 24 hours, and none failed."
    )
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert visit.violations() == []
    visit.assert_clean()


def test_a_part_that_cannot_be_read_says_so_and_the_others_stay(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        somebody_leads()
        job_of(dashboard)

    def broken(route: Route) -> None:
        route.fulfill(status=503, json={"detail": "The database rests."})

    visit = dashboard.visit()
    page = visit.page
    page.route("**/insights/hours*", broken)
    page.route("**/event-history*", broken)
    visit.open("/dashboard/")
    expect(page.locator("#hours")).to_contain_text("The database rests.")
    expect(stat(page, "Jobs").locator("dd").first).to_have_text("1")
    expect(page.locator("#verdict")).to_contain_text("No job needs you.")
    page.unroute("**/event-history*")
    page.locator("#event-history").get_by_role("button", name="Try again").click()
    expect(page.locator("#event-history")).to_contain_text("was created")
    visit.assert_clean(503)
