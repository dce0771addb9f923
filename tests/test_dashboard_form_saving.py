"""The form of a job in a real browser: what is saved runs, once, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apps.executions.models import ExecutionLog
from apps.jobs import services
from apps.jobs.dispatch import Dispatcher
from apps.tenants.context import all_tenants_scope
from tests.dashboard_browser import Dashboard
from tests.dispatching import leading
from tests.factories import make_job
from tests.job_form import NEW, field, filled, jobs, saved
from tests.workers import WorkerProcess

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
_LOSE_THE_FIRST_ANSWER = """() => {
    const ask = window.fetch;
    window.fetch = async (url, options) => {
        const answer = await ask(url, options);
        if (options.method !== "POST" || !url.endsWith("/jobs")) return answer;
        window.fetch = ask;
        throw new TypeError("the connection is gone");
    };
}"""


def test_a_job_made_by_keyboard_runs_and_appears(
    dashboard: Dashboard, start: Callable[..., WorkerProcess]
) -> None:
    visit = dashboard.visit(NEW, as_="bob")
    page = visit.page
    field(page, "Name").focus()
    page.keyboard.type("Warm the cache")
    field(page, "It does").select_option("tests.noop")
    field(page, "Arguments").fill('{"n": 1}')
    page.get_by_role("radio", name="Clock (cron)").focus()
    page.keyboard.press("ArrowRight")
    field(page, "Every").fill("1")
    field(page, "Unit of the interval").select_option("seconds")
    expect(page.locator("#preview-sentence")).to_have_text("Every second")
    expect(page.locator("#preview-runs li")).to_have_count(10)
    field(page, "While a run is still going").select_option("allow")
    page.get_by_role("button", name="Create and run now").focus()
    page.keyboard.press("Enter")
    saved(page)
    [job] = jobs()
    assert (job.name, job.target, job.interval_seconds, job.user_id) == (
        "Warm the cache",
        "tests.noop",
        1,
        dashboard.cast.bob.user_id,
    )
    with leading() as (session, _now):
        session.read("SELECT pg_sleep_until(next_run_at) FROM jobs_cursor")
        Dispatcher().run_once(session)
    assert start("drains", "--drain").wait(60) == 0
    logs = page.evaluate(
        "id => fetch(`/api/scheduler/execution-logs?job_id=${id}`).then(a => a.json())", job.pk
    )
    assert {log["status"] for log in logs["logs"]} == {"success"}
    with all_tenants_scope():
        assert set(ExecutionLog.objects.values_list("kind", flat=True)) == {"manual", "scheduled"}
    visit.assert_clean()


def test_an_impatient_person_makes_one_job(dashboard: Dashboard) -> None:
    visit = dashboard.visit(NEW)
    page = filled(visit)
    page.evaluate(_LOSE_THE_FIRST_ANSWER)
    page.get_by_role("button", name="Create job").dblclick()
    expect(page.get_by_role("alert")).to_contain_text("it makes one job")
    assert len(jobs()) == 1
    # What was changed since reaches the job that the first request made.
    field(page, "Name").fill("Nightly report, corrected")
    page.evaluate(
        "() => { const form = document.querySelector('#job-form'); form.requestSubmit(); form.requestSubmit(); }"
    )
    saved(page)
    [job] = jobs()
    assert (job.name, job.version) == ("Nightly report, corrected", 2)


def test_a_change_meanwhile_is_told_and_settled(dashboard: Dashboard) -> None:
    job = make_job(
        dashboard.tenant,
        name="Report",
        payload={"url": "https://example.com/"},
        user_id=dashboard.cast.bob.user_id,
    )
    visit = dashboard.visit(f"/dashboard/jobs/{job.pk}/edit/")
    page = visit.page
    expect(field(page, "Cron expression")).to_have_value("*/5 * * * *")
    field(page, "Name").fill("My report")
    field(page, "Time limit of a run, in seconds").fill("30")
    theirs = {"name": "Their report", "cron_expression": "0 7 * * *"}
    services.job_update(tenant=dashboard.tenant, job_id=job.pk, changes=theirs, actor="ann")
    page.get_by_role("button", name="Save changes").click()
    dialog = page.get_by_role("dialog", name="This job was changed meanwhile")
    expect(dialog).to_contain_text("Changed meanwhile: name, cron expression.")
    expect(dialog).to_contain_text("Their report")
    assert visit.violations() == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(field(page, "Name")).to_have_value("My report")
    page.get_by_role("button", name="Save changes").click()
    dialog.get_by_role("button", name="Keep mine and save").click()
    saved(page)
    [job] = jobs()
    assert (job.name, job.cron_expression, job.timeout_seconds) == ("My report", "0 7 * * *", 30)
    visit.open(f"/dashboard/jobs/{job.pk}/edit/")
    field(page, "Name").fill("Another")
    services.job_update(tenant=dashboard.tenant, job_id=job.pk, changes=theirs, actor="ann")
    page.get_by_role("button", name="Save changes").click()
    dialog.get_by_role("button", name="Take theirs").click()
    expect(field(page, "Name")).to_have_value("Their report")
    visit.assert_clean(412)


def test_what_was_typed_outlives_the_session(dashboard: Dashboard) -> None:
    visit = dashboard.visit(NEW, as_="bob")
    page = filled(visit, "Typed for long")
    page.get_by_role("button", name="Add a header").click()
    page.get_by_label("Name of header 1").fill("X-Token")
    Session.objects.all().delete()
    page.get_by_role("button", name="Create job").click()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email or user name").fill(f"bob-{dashboard.tenant.schema_name}")
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("What you had typed is back")
    expect(field(page, "Name")).to_have_value("Typed for long")
    expect(page.get_by_label("Name of header 1")).to_have_value("X-Token")
    page.get_by_role("button", name="Create job").click()
    saved(page)
    assert [job.name for job in jobs()] == ["Typed for long"]


def test_leaving_with_something_typed_asks(dashboard: Dashboard) -> None:
    page = filled(dashboard.visit(NEW))
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="All jobs").click()
    expect(field(page, "Name")).to_have_value("Nightly report")
    assert asked == ["beforeunload"]
