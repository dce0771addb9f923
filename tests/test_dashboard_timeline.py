"""What ran and what is due, in a real browser: lanes for eyes and for the keyboard, and the forecast."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.executions.models import ExecutionLog
from apps.executions.states import SkipReason
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope
from tests.contract.records import Records, count_finished, now
from tests.dashboard_browser import PHONE, Dashboard

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PATH = "/dashboard/timeline/"


def many(made: Records, job: Any, at: datetime, count: int) -> None:
    with all_tenants_scope():
        count_finished(
            ExecutionLog.objects.bulk_create(made.log_row(job, at - n * SECOND) for n in range(count))
        )


def test_lanes_by_eye_and_by_keyboard(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    made, at = Records(dashboard.cast.bob), now()
    orders, mails = made.job(name="Import <orders>"), made.job(name="Send mails")
    good = made.finished(orders, at - 30 * MINUTE)
    bad = made.finished(orders, at - 20 * MINUTE, error_text="HTTP 503\nmore", error_message="HTTP 503")
    made.live(orders, at - MINUTE)
    made.skip(mails, at - 40 * MINUTE, at - 10 * MINUTE, 31, reason=SkipReason.COOL_OFF)
    visit = dashboard.visit(PATH, as_="bob")
    page = visit.page
    expect(page.locator(".lane")).to_have_count(2)
    expect(page.locator("#runs-said")).to_have_text("2 runs have ended; 1 running, 31 times skipped; 2 jobs.")
    expect(page.locator(".lane .run.success")).to_have_accessible_name(
        re.compile("Succeeded: began .*, took 1 s.")
    )
    assert visit.violations() == []

    running = page.locator(".lane .run.running")
    page.get_by_role("link", name="Import <orders>").focus()
    page.keyboard.press("Tab")  # one stop for all bars; the arrows go between them
    expect(page.locator(".lane .run[tabindex='0']")).to_have_count(1)
    expect(running).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(f"[data-run='{bad.pk}']")).to_be_focused()
    expect(page.locator("#pointed")).to_have_text(re.compile(r"Import <orders> · Failed: .* HTTP 503"))
    page.keyboard.press("Home")
    expect(page.locator(f"[data-run='{good.pk}']")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".lane .run.skipped")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("The job had failed too often in a row.")
    page.keyboard.press("Escape")
    expect(page.locator(".lane .run.skipped")).to_be_focused()

    # What ends is seen at once, and whoever is at a bar stays there.
    page.locator(f"[data-run='{good.pk}']").focus()
    made.finished(mails, at - 5 * SECOND)
    expect(page.locator(".lane .run.success")).to_have_count(2)
    expect(page.locator(f"[data-run='{good.pk}']")).to_be_focused()

    page.get_by_text("The same as a table").click()
    expect(page.locator("#runs-rows tbody tr")).to_have_count(5)
    expect(page.locator("#runs-rows")).to_contain_text("31 times")
    visit.resize(PHONE)
    visit.scheme("dark")
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    assert visit.violations() == []
    page.locator(f"[data-run='{good.pk}']").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"Execution {good.pk}")
    expect(page).to_have_url(re.compile(rf"/dashboard/timeline/\?execution={good.pk}$"))
    visit.assert_clean()


def test_no_more_than_can_be_drawn(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    made, at = Records(dashboard.cast.bob), now()
    busy = made.job(name="Busy")
    many(made, busy, at - MINUTE, 200)
    for n in range(41):
        many(made, made.job(name=f"Quiet {n:02}"), at - 2 * SECOND, 2)
    many(made, busy, at - 90 * MINUTE, 1)
    visit = dashboard.visit(PATH)
    page = visit.page
    said = page.locator("#runs-said")
    expect(said).to_have_text(re.compile("The latest 200 of 282 runs that have ended, since .*; 42 jobs."))
    expect(page.locator(".lane")).to_have_count(40)
    expect(page.locator(".lane").first).to_contain_text("Busy")
    page.get_by_role("button", name="Less busy").click()
    expect(page.locator(".lane")).to_have_count(2)
    page.get_by_role("button", name="6 h").click()
    expect(said).to_have_text(re.compile("The latest 200 of 283 runs that have ended, since .*; 42 jobs."))
    expect(page).to_have_url(re.compile("hours=6"))
    visit.assert_clean()


def test_what_is_due_and_the_jitter_that_would_flatten_it(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH, timezone_id="Asia/Kathmandu")
    page = visit.page
    expect(page.get_by_role("heading", name="Nothing ran in the last hour")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing is due in the next 24 hours")).to_be_visible()
    assert visit.violations() == []
    made = Records(dashboard.cast.alice)
    for _ in range(30):
        made.job(name="Nightly", trigger=TriggerSpec.cron("0 2 * * *"))
    page.reload()
    expect(page.locator("#advice")).to_have_text(
        re.compile(
            r"^30 runs start at 07:45 AM\. A jitter of \d+ \w+ would bring the peak from 30 to \d+ a minute\.$"
        )
    )
    expect(
        page.get_by_role("img", name=re.compile("Runs per minute in the next 24 hours: 30 runs."))
    ).to_be_visible()
    # Drawn when it is about to be seen.
    page.locator("#forecast-picture").scroll_into_view_if_needed()
    page.wait_for_function("window.Chart?.getChart(document.querySelector('#forecast-picture canvas'))")
    expect(page.locator("#jitters tbody tr").first).to_have_text(re.compile("none.*30 a minute"))
    expect(page.locator("#jitters")).to_contain_text("Suggested")
    page.get_by_text("Hour by hour as a table").click()
    expect(page.locator("#forecast-hours")).to_contain_text("30")
    assert visit.violations() == []
    visit.resize(PHONE)
    visit.scheme("dark")
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    assert visit.violations() == []
    visit.assert_clean()


def test_changes_of_the_clocks_and_steps_that_keep_the_peak(dashboard: Dashboard) -> None:
    page = dashboard.visit(PATH, timezone_id="Europe/Berlin").page

    def asked(module: str, call: str) -> Any:
        return page.evaluate(
            f"import('/static/scheduler/dashboard/pages/{module}.js').then(({{ {call.split('(')[0]} }}) => {call})"
        )

    def changes(day: str) -> Any:
        return asked(
            "clock_changes", f"clockChanges(Date.parse('{day}T12:00Z'), Date.parse('{day}T12:00Z') + 864e5)"
        )

    assert changes("2026-03-28") == [{"at": 1774746000000, "hours": 1}]  # 01:00 UTC on the 29th
    assert changes("2026-10-24") == [{"at": 1792890000000, "hours": -1}]
    assert changes("2026-06-01") == []
    forecast = (
        "{from: '2026-06-01T00:03:00Z', minutes: [0, 1, 9, 2, 0, 0, 4], flattened: [1, 2, 3, 3, 3, 2, 2]}"
    )
    found = asked("timeline_forecast", f"steps({forecast}, 3)")
    assert [(step["planned"], step["flattened"]) for step in found] == [(1, 2), (9, 3)]
    assert len(asked("timeline_forecast", f"steps({forecast}, 900)")) == 7
