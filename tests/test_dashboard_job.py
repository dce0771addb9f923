"""The page of one job in a real browser: what it is, what comes, what was, and why it did not run."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from apps.executions.models import Execution
from apps.jobs import services
from apps.jobs.models import Cursor
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope
from tests.dashboard_browser import PHONE, Dashboard
from tests.dashboard_jobs import NIGHTLY, job_of, ran, skipped
from tests.factories import make_job

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]


def test_a_backfill_counts_before_it_asks_and_a_change_meanwhile_is_told(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        job = job_of(dashboard, trigger=TriggerSpec.cron("0 * * * *"))
    visit = dashboard.visit(f"/dashboard/jobs/{job.id}/", timezone_id="Etc/UTC")
    page = visit.page
    expect(page.get_by_role("heading", level=1)).to_contain_text(NIGHTLY)
    form = page.get_by_role("region", name="Backfill")
    form.get_by_label("From").fill("2026-01-01T00:30")
    form.get_by_label("To").fill("2026-01-01T03:30")
    form.get_by_role("button", name="Count them").click()
    page.get_by_role("dialog").get_by_role("button", name="Make 3 runs").click()
    expect(form).to_contain_text("3 runs will start")
    with all_tenants_scope():
        assert Execution.objects.filter(job_id=job.id, kind="backfill").count() == 3
    page.get_by_role("button", name="Pause", exact=True).click()
    services.job_update(tenant=dashboard.tenant, job_id=job.id, changes={"name": "Renamed"}, actor="ann")
    page.get_by_label("Reason").fill("Late")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Somebody else changed Nightly invoices meanwhile.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed Active")
    visit.assert_clean(412)


def test_one_job_says_what_it_is_what_comes_and_why_it_did_not_run(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        job = job_of(
            dashboard,
            trigger=TriggerSpec.cron("30 2 28 3,10 *", "Europe/Berlin"),
            payload={"customer": "<b>all</b>"},
            max_attempts=3,
        )
        ran(job, minutes_ago=20, status="failed")
        skipped(job, minutes_ago=15)
        Cursor.objects.filter(job_id=job.id).update(
            consecutive_failures=1, failure_reason="The bank answered 503.", last_status="failed"
        )
    visit = dashboard.visit(
        f"/dashboard/jobs/{job.id}/", viewport=PHONE, scheme="dark", timezone_id="America/New_York"
    )
    page = visit.page
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NIGHTLY} Failed")
    expect(page.locator("#facts")).to_contain_text("The bank answered 503.")
    expect(page.locator("#facts")).to_contain_text("A run that fails is tried up to 3 times")
    # On 28 March 2027 there is no half past two in Berlin.
    expect(page.locator("#next tbody tr")).to_have_count(10)
    expect(page.locator("#next")).to_contain_text("Clock change")
    expect(page.locator("#next")).to_contain_text("02:30 does not exist on 28 March 2027")
    expect(page.locator("#strip").get_by_role("img")).to_have_attribute(
        "aria-label", "Last 2 runs: 1 failed, 1 skipped; the last skipped"
    )
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    page.locator("#runs .row-button").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("The bank answered 503.")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    page.get_by_text("Payload", exact=True).click()
    expect(page.locator("#facts pre")).to_contain_text("<b>all</b>")
    page.get_by_label("Which executions").select_option("skipped")
    expect(page.locator("#runs")).to_contain_text("The run before was still going")
    page.locator("#runs .row-button").click()
    page.get_by_role("link", name="What became of each due time").click()
    expect(page.get_by_role("list", name="What became of its times")).to_contain_text("Skipped")
    page.get_by_label("From", exact=True).first.fill("2026-01-01T00:00")
    page.get_by_label("To", exact=True).first.fill("2026-01-02T00:00")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name="No time")).to_be_visible()
    assert visit.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    visit.assert_clean()


def test_jobs_that_are_not_there(dashboard: Dashboard, other_cast: Any) -> None:
    with all_tenants_scope():
        job, foreign = job_of(dashboard), make_job(other_cast.tenant, name="Not yours")
    services.job_delete(tenant=dashboard.tenant, job_id=job.id, actor="alice")
    for number in (987_654, foreign.id):
        visit = dashboard.visit(f"/dashboard/jobs/{number}/")
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("There is no such job")
        assert visit.violations() == []
        visit.assert_clean(404)
    visit = dashboard.visit(f"/dashboard/jobs/{job.id}/")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Deleted")
    expect(visit.page.get_by_text("This job was deleted.")).to_be_visible()
    visit.assert_clean(404)
