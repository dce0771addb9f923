"""The executions, the drawer of one, and the journal, in a real browser."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.executions.models import Attempt, Execution, ExecutionLog
from apps.jobs.models import Job
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import all_tenants_scope
from tests.contract import records
from tests.dashboard_browser import PHONE, Dashboard, Visit

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
EXECUTIONS, EVENTS = "/dashboard/executions/", "/dashboard/events/"


@pytest.fixture
def ids(dashboard: Dashboard) -> dict[str, Any]:
    """A few of every kind, Alice's."""
    return records.small(dashboard.cast.alice)


def rows(page: Page, within: str = "#logs") -> Any:
    return page.locator(f"{within} tbody tr")


def drawer(visit: Visit) -> Any:
    return visit.page.get_by_role("dialog")


def fact(visit: Visit, name: str) -> Any:
    return drawer(visit).locator(f"dt:text-is('{name}') + dd")


class TestExecutions:
    def test_what_runs_what_ended_and_what_was_skipped(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EXECUTIONS)
        expect(rows(visit.page, "#running-body")).to_have_count(1)
        expect(rows(visit.page)).to_have_count(8)
        expect(visit.page.locator("#logs .pager")).to_contain_text("of 8 executions")
        outcome = visit.page.get_by_label("Outcome")
        for status, count, word in (
            ("failed", 1, "Failed"),
            ("running", 1, "Running"),
            ("skipped", 2, "From"),
        ):
            outcome.select_option(status)
            expect(rows(visit.page)).to_have_count(count)
            expect(visit.page.locator("#logs")).to_contain_text(word)
            assert f"status={status}" in visit.page.url
        assert visit.violations() == []
        visit.assert_clean()

    def test_filters_are_in_the_address_and_paging_too(self, dashboard: Dashboard) -> None:
        records.large(dashboard.cast.alice, 120)
        visit = dashboard.visit(f"{EXECUTIONS}?search=job+3")
        expect(visit.page.get_by_label("Job's name contains")).to_have_value("job 3")
        expect(visit.page.locator("#logs .pager")).to_contain_text("of 17 executions")
        visit.page.get_by_label("Job's name contains").fill("nothing like it")
        visit.page.get_by_role("button", name="Clear filters").click()
        expect(visit.page.locator("#logs .pager")).to_contain_text("of 120 executions")
        for first in (51, 101):
            visit.page.locator("#logs").get_by_role("button", name="Older").click()
            expect(visit.page.locator("#logs .pager")).to_contain_text(
                re.compile(rf"^{first}\D\d+ of 120 executions")
            )
        visit.page.go_back()
        expect(visit.page.locator("#logs .pager")).to_contain_text(re.compile(r"^51\D100 of 120 executions"))
        visit.page.get_by_label("Due within").select_option("own")
        visit.page.get_by_label("From").fill("2020-01-01T00:00")
        visit.page.get_by_label("Until").fill("2020-01-02T00:00")
        expect(visit.page.get_by_role("heading", name="No execution matches")).to_be_visible()
        visit.assert_clean()

    def test_one_that_ends_is_there_without_reloading(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EXECUTIONS)
        expect(rows(visit.page)).to_have_count(8)
        made = records.Records(dashboard.cast.alice)
        with all_tenants_scope():
            made.finished(Job.objects.get(pk=ids["job"]), records.now())
        expect(rows(visit.page)).to_have_count(9)

    def test_a_file_has_what_is_filtered(self, dashboard: Dashboard, ids: Any, tmp_path: Path) -> None:
        visit = dashboard.visit(f"{EXECUTIONS}?status=failed")
        expect(rows(visit.page)).to_have_count(1)
        with visit.page.expect_download() as given:
            visit.page.get_by_role("link", name="CSV").click()
        given.value.save_as(tmp_path / "file.csv")
        lines = list(csv.DictReader((tmp_path / "file.csv").read_text().splitlines()))
        assert [line["id"] for line in lines] == [str(ids["failed"])]

    def test_the_failed_ones_are_retried_together(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EXECUTIONS)
        expect(rows(visit.page)).to_have_count(8)
        visit.page.get_by_role("button", name="Retry the failed ones").click()
        expect(drawer(visit)).to_contain_text("1 execution that matches has failed and had no retry.")
        drawer(visit).get_by_role("button", name="Retry").click()
        expect(visit.page.locator("[data-toasts]")).to_contain_text("1 will run again")
        with all_tenants_scope():
            assert Execution.objects.filter(retry_of=ids["failed"]).count() == 1
        visit.assert_clean()

    def test_a_viewer_looks_and_a_member_sees_the_own(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EXECUTIONS, as_="vic")
        expect(visit.page.get_by_role("heading", name="Nothing has ended yet")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Retry the failed ones")).to_have_count(0)
        expect(visit.page.get_by_label("User")).to_have_count(0)


class TestOneExecution:
    def test_what_became_of_it_in_how_many_tries(self, dashboard: Dashboard, ids: Any) -> None:
        with all_tenants_scope():
            log = ExecutionLog.objects.get(pk=ids["failed"])
            earlier = Attempt.objects.filter(execution_id=log.pk)
            earlier.update(outcome="timeout", error_message="No answer within 3 s.")
            ExecutionLog.objects.filter(pk=log.pk).update(attempts=2)
        visit = dashboard.visit(f"{EXECUTIONS}?execution={log.pk}", timezone_id="Asia/Tokyo", locale="en-GB")
        expect(drawer(visit).get_by_role("heading", name=f"Execution {log.pk}")).to_be_visible()
        expect(fact(visit, "Due")).to_contain_text(f"{log.scheduled_for:%Y-%m-%d %H:%M:%S} UTC")
        tokyo = log.scheduled_for + timedelta(hours=9)
        expect(fact(visit, "Due").locator("time")).to_contain_text(f"{tokyo:%H:%M:%S}")
        expect(drawer(visit).locator(".attempts li")).to_have_count(2)
        expect(drawer(visit).locator(".attempts")).to_contain_text("Timed out")
        expect(drawer(visit).locator("pre")).to_contain_text(records.ERROR_TEXT.splitlines()[-1])
        assert visit.violations("dialog") == []
        visit.assert_clean()

    def test_by_keyboard_through_the_list_and_back(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EXECUTIONS)
        first = rows(visit.page).first.get_by_role("button")
        first.focus()
        visit.page.keyboard.press("Enter")
        expect(fact(visit, "Took")).to_be_visible()
        before = visit.page.url
        visit.page.keyboard.press("ArrowRight")
        expect(visit.page).not_to_have_url(before)
        visit.page.keyboard.press("ArrowLeft")
        expect(visit.page).to_have_url(before)
        visit.page.keyboard.press("Escape")
        expect(drawer(visit)).to_have_count(0)
        expect(visit.page).not_to_have_url(re.compile("execution="))
        expect(first).to_be_focused()

    def test_retried_it_shows_the_new_one_and_stopped_it_says_so(
        self, dashboard: Dashboard, ids: Any
    ) -> None:
        visit = dashboard.visit(f"{EXECUTIONS}?execution={ids['success']}")
        drawer(visit).get_by_role("button", name="Retry").click()
        visit.page.get_by_label("Reason (optional)").fill("the receiver lost it")
        visit.page.get_by_role("button", name="Run again").click()
        expect(fact(visit, "Retry of")).to_contain_text(f"Execution {ids['success']}")
        drawer(visit).get_by_role("button", name="Take back").click()
        visit.page.get_by_role("dialog").last.get_by_role("button", name="Take back").click()
        expect(visit.page.locator("[data-toasts]")).to_contain_text("It was waiting and will not run.")
        expect(drawer(visit).get_by_text("cancelled", exact=False).first).to_be_visible()
        visit.assert_clean()

    def test_skipped_times_say_why(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(f"{EXECUTIONS}?status=skipped", viewport=PHONE, scheme="dark")
        rows(visit.page).first.get_by_role("button").click()
        expect(drawer(visit).locator(".notice")).to_contain_text("The job was paused")
        assert visit.violations("dialog") == []
        visit.page.keyboard.press("ArrowRight")
        expect(fact(visit, "Due times")).to_have_text("61")
        visit.assert_clean()

    def test_one_that_is_not_there_or_not_ones_own(self, dashboard: Dashboard, ids: Any) -> None:
        for person, number, status in (("alice", 2**60, 404), ("bob", ids["failed"], 403)):
            visit = dashboard.visit(f"{EXECUTIONS}?execution={number}", as_=person)
            expect(drawer(visit).get_by_role("alert")).to_contain_text("This could not be read")
            visit.page.close()
            visit.assert_clean(status)


class TestEvents:
    def test_day_by_day_in_sentences(self, dashboard: Dashboard, ids: Any) -> None:
        visit = dashboard.visit(EVENTS)
        with all_tenants_scope():
            total = SchedulerEvent.objects.filter(tenant=dashboard.tenant).count()
        expect(visit.page.locator("#events .pager")).to_contain_text(f"of {total} events")
        visit.page.get_by_label("Type").select_option("check_cycle")
        lines = visit.page.locator("#events li")
        expect(lines).to_have_count(1)
        expect(lines.first).to_contain_text("2 due")
        lines.first.get_by_text("Details").click()
        expect(lines.first.locator("dl")).to_contain_text("check cycle number")
        assert visit.violations() == []
        visit.page.get_by_label("Type").select_option("job_failed")
        expect(lines.first).to_contain_text("It failed.")
        visit.assert_clean()

    def test_old_ones_are_cleaned_up_after_a_look_at_how_many(self, dashboard: Dashboard, ids: Any) -> None:
        records.Records(dashboard.cast.alice).event("start", records.now() - timedelta(days=40))
        visit = dashboard.visit(EVENTS)
        visit.page.get_by_role("button", name="Clean up old ones").click()
        visit.page.get_by_label("Older than so many days").fill("30")
        visit.page.get_by_role("button", name="How many are there?").click()
        expect(visit.page.get_by_role("heading", name="Delete 1 event?")).to_be_visible()
        visit.page.get_by_role("button", name="Delete", exact=True).click()
        expect(visit.page.locator("[data-toasts]")).to_contain_text("1 deleted.")
        visit.assert_clean()

    def test_a_member_cleans_up_nothing(self, dashboard: Dashboard) -> None:
        visit = dashboard.visit(EVENTS, as_="bob")
        expect(visit.page.get_by_role("heading", name="Nothing has happened yet")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Clean up old ones")).to_have_count(0)
