"""The tree of jobs in a real browser: what it shows, and what the keyboard does there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope
from tests.dashboard_browser import Dashboard
from tests.dashboard_jobs import NIGHTLY, job_of, press, ran, row_of, skipped

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]


def test_categories_open_to_jobs_with_the_strips_of_their_runs(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        job = job_of(dashboard)
        manual = job_of(dashboard, "Rebuild the index", task_category="search", trigger=TriggerSpec.manual())
        ran(job, minutes_ago=30, status="success")
        ran(job, minutes_ago=20, status="failed")
        skipped(job, minutes_ago=15)
        ran(job, minutes_ago=1)
    visit = dashboard.visit("/dashboard/jobs/")
    page = visit.page
    row = row_of(page, NIGHTLY)
    expect(row.get_by_role("img")).to_have_attribute(
        "aria-label", "Last 4 runs: 1 succeeded, 1 failed, 1 running, 1 skipped; the last running"
    )
    expect(row.locator(".strip i:not(.none)")).to_have_count(4)
    expect(row).to_contain_text("Every 5 minutes")
    expect(row).to_contain_text(job.user_id or "")
    expect(row_of(page, "Rebuild the index")).to_contain_text("By hand only")
    assert visit.violations() == []
    press(
        visit, "button", page.locator("[data-category=billing] button").first.inner_text().replace("\n", " ")
    )
    expect(page.locator("[data-category=billing] .tree-head")).to_have_attribute("aria-expanded", "false")
    expect(row).to_have_count(0)
    page.reload()
    expect(row_of(page, "Rebuild the index")).to_be_visible()
    expect(row).to_have_count(0)
    # What ends meanwhile is seen by itself.
    strip = row_of(page, "Rebuild the index").get_by_role("img")
    expect(strip).to_have_attribute("aria-label", "It has not run yet")
    with all_tenants_scope():
        ran(manual, minutes_ago=1, status="success")
    expect(strip).to_have_attribute("aria-label", "Last 1 run: 1 succeeded; the last succeeded")
    visit.assert_clean()


def test_the_keyboard_alone_triggers_pauses_resumes_and_deletes(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        job_of(dashboard)
    visit = dashboard.visit("/dashboard/jobs/")
    page, row, said = visit.page, row_of(visit.page, NIGHTLY), visit.page.get_by_role("status").last
    press(visit, "button", f"Trigger {NIGHTLY}")
    expect(said).to_contain_text("will run as soon as a worker is free")
    press(visit, "button", f"Pause {NIGHTLY}")
    dialog = page.get_by_role("dialog", name=f"Pause {NIGHTLY}")
    expect(dialog).to_be_visible()
    assert visit.violations() == []
    dialog.get_by_label("Reason").focus()
    page.keyboard.type("The bank moves house")
    page.keyboard.press("Enter")
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    resume = page.get_by_role("button", name=f"Resume {NIGHTLY}")
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    expect(row.get_by_text("Active", exact=True)).to_be_visible()
    press(visit, "button", f"Delete {NIGHTLY}")
    press(visit, "button", "Cancel", "Space")
    expect(row).to_be_visible()
    press(visit, "button", f"Delete {NIGHTLY}")
    press(visit, "button", "Delete", "Space")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    visit.assert_clean()


def test_filters_are_in_the_address_and_what_they_find_is_paused_at_once(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        for number in range(55):
            job_of(dashboard, f"Import {number:02}", task_category="imports" if number % 2 else "billing")
        job_of(dashboard, "Something else")
    visit = dashboard.visit("/dashboard/jobs/?search=import&ordering=name")
    page = visit.page
    expect(page.locator("#jobs-count")).to_have_text("55 jobs match")
    expect(page.locator(".job-row")).to_have_count(50)
    expect(page.locator(".job-row").first).to_contain_text("Import 00")
    press(visit, "button", "Next")
    expect(page.locator(".job-row")).to_have_count(5)
    expect(page).to_have_url(re.compile("offset=50"))
    page.get_by_label("Name contains").fill("import 0")
    expect(page.locator(".job-row")).to_have_count(10)
    for number in (1, 3):
        page.get_by_label(f"Select Import 0{number}").check()
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("2 jobs selected")
    bar.get_by_role("button", name="Pause").click()
    page.get_by_label("Reason").fill("Maintenance")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(bar).to_contain_text("2 jobs paused.")
    expect(page.locator(".job-row .badge.paused")).to_have_count(2)
    assert visit.violations() == []
    page.get_by_label("Status").select_option("completed")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    page.get_by_role("button", name="Clear filters").first.click()
    expect(page.locator("#jobs-count")).to_have_text("56 jobs in 2 categories")
    expect(page.locator(".job-row")).to_have_count(29)
    visit.assert_clean()


def test_viewers_look_and_members_see_their_own(dashboard: Dashboard) -> None:
    with all_tenants_scope():
        job = job_of(dashboard)
        job_of(dashboard, "Bob's", user_id="bob-acme")
        job_of(dashboard, "Vic's", user_id="vic-acme")
    page = dashboard.visit("/dashboard/jobs/", as_="vic").page
    expect(row_of(page, "Vic's")).to_be_visible()
    expect(page.locator(".job-row")).to_have_count(1)
    expect(page.locator("main").get_by_role("button", name=re.compile("Trigger|Pause|Delete"))).to_have_count(
        0
    )
    page = dashboard.visit("/dashboard/jobs/", as_="bob").page
    expect(page.locator(".job-row")).to_have_count(1)
    expect(page.get_by_label("User", exact=True)).to_have_count(0)
    visit = dashboard.visit(f"/dashboard/jobs/{job.id}/", as_="bob")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("This job belongs to another user")
    visit.assert_clean(403)
