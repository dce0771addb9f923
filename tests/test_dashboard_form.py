"""The form of a job in a real browser: what it says while one types, to whom, and of what."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import expect

from apps.jobs.api.body import BLANK
from apps.jobs.fields import _NUMBERS
from apps.jobs.payloads import POLICIES
from apps.tenants.context import tenant_scope
from apps.vault.services import contents_get
from tests.dashboard_browser import PHONE, Dashboard
from tests.factories import make_job
from tests.job_form import NEW, field, filled, jobs, saved

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
BERLIN = ZoneInfo("Europe/Berlin")


def test_the_form_says_what_the_api_takes_and_does_without_it() -> None:
    html = render_to_string("dashboard/job_form/how.html")
    for name, (low, high) in _NUMBERS.items():
        [tag] = re.findall(rf'<input[^>]* name="policies.{name}"[^>]*>', html)
        assert f'value="{getattr(BLANK, name)}"' in tag
        assert f'min="{low}"' in tag
        assert f'max="{high}"' in tag
    chosen = {
        name: re.findall(rf'name="policies.{name}".*?<option value="(\w+)"', html, re.S)[:1]
        for name in POLICIES
    }
    assert {name: first for name, first in chosen.items() if name in ("overlap", "misfire")} == {
        "overlap": [BLANK.overlap],
        "misfire": [BLANK.misfire],
    }


def test_errors_come_to_their_fields_and_nothing_typed_is_lost(dashboard: Dashboard) -> None:
    visit = dashboard.visit(NEW)
    page = filled(visit, "x" * 201)
    page.get_by_label("URL").fill("https://me:secret@example.com/")
    page.get_by_role("button", name="Add a header").click()
    page.get_by_label("Name of header 1").fill("Host")
    page.get_by_label("Value of header 1").fill("internal")
    page.get_by_text("Rest after failures").click()
    field(page, "First rest, in seconds").fill("0")
    expect(page.locator('[id="policies.cool_off_seconds-error"]')).to_be_hidden()
    page.get_by_text("Rest after failures").click()
    field(page, "Cron expression").fill("0 9 * *")
    expect(page.locator('[id="trigger.cron_expression-error"]')).to_have_text(
        "A cron expression has exactly five fields; this one has 4."
    )
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("alert")).to_have_text("5 fields need another look.")
    for name, sentence in (
        ("name", "At most 200 characters; this has 201."),
        ("payload.url", "The URL must not hold a user name or a password."),
        ("payload.headers", "The header Host is set by the scheduler itself."),
        ("trigger.cron_expression", "exactly five fields"),
        ("policies.cool_off_seconds", "Use a whole number from 1 to 86,400."),
    ):
        expect(page.locator(f'[id="{name}-error"]')).to_contain_text(sentence)
        described = page.locator(f'[aria-describedby~="{name}-error"][aria-invalid="true"]').first
        expect(described).to_be_attached()
    expect(field(page, "Name")).to_be_focused()
    expect(page.get_by_label("Value of header 1")).to_have_value("internal")
    assert visit.violations() == []
    field(page, "Name").fill("Short")
    expect(page.locator('[id="name-error"]')).to_be_hidden()
    page.get_by_label("URL").fill("https://example.com/")
    page.get_by_label("Name of header 1").fill("X-Token")
    page.get_by_role("button", name="Every weekday at 9:00").click()
    page.get_by_role("button", name="Create job").click()
    # The only one that is left is in a part that was closed.
    expect(field(page, "First rest, in seconds")).to_be_focused()
    field(page, "First rest, in seconds").fill("60")
    page.get_by_role("button", name="Create job").click()
    saved(page)
    [job] = jobs()
    assert (job.name, job.cron_expression, job.cool_off_seconds) == ("Short", "0 9 * * 1-5", 60)
    with tenant_scope(dashboard.tenant):
        [payload] = contents_get([(job.pk, job.content_version)]).values()
    assert payload == {"method": "POST", "url": "https://example.com/", "headers": {"X-Token": "internal"}}
    visit.assert_clean(400)


def clock_change(*, ahead: bool) -> datetime:
    """The next night in Berlin in which the clock goes ahead or back, by its date; from tomorrow on."""
    day = datetime.now(BERLIN).replace(hour=12, minute=0, second=0, microsecond=0)
    while True:
        before, day = day, day + timedelta(days=1)
        if before.utcoffset() != day.utcoffset() and (day.utcoffset() > before.utcoffset()) is ahead:
            return day


def test_the_preview_marks_clock_changes_and_blackouts(dashboard: Dashboard) -> None:
    spring, autumn = clock_change(ahead=True), clock_change(ahead=False)
    visit = dashboard.visit(NEW, timezone_id="America/New_York")
    page = visit.page
    blackout = {
        "from": f"{spring:%Y-%m-%d}",
        "to": f"{spring + timedelta(days=1):%Y-%m-%d}",
        "reason": "Stock-taking",
    }
    page.evaluate(
        """body => fetch("/api/scheduler/calendars", { method: "POST", body: JSON.stringify(body),
            headers: { "Content-Type": "application/json", "X-CSRFToken": document.documentElement.dataset.csrf } })""",
        {"name": "Inventory", "timezone": "Europe/Berlin", "blackouts": [blackout]},
    )
    page.reload()
    expect(field(page, "Time zone")).to_have_value("America/New_York")
    field(page, "Time zone").fill("Europe/Berlin")
    runs = page.locator("#preview-runs li")
    marks = page.locator("#preview-runs .badge")
    for night in (spring, autumn):
        # Of the days around it, so that the changed one is among the next ten.
        field(page, "Cron expression").fill(f"30 2 {night.day} {night.month} *")
        expect(page.locator("#preview-sentence")).to_contain_text("(Europe/Berlin)")
        expect(runs).to_have_count(10)
        expect(marks.first).to_have_text("Clock change")
        expect(page.locator("#preview-runs")).to_contain_text(
            f"02:30 does not exist on {night.day} {night:%B %Y}; it runs at 03:00 instead."
            if night is spring
            else f"02:30 comes twice on {night.day} {night:%B %Y}; it runs once, the first time."
        )
    field(page, "Cron expression").fill(f"30 2 {spring.day} {spring.month} *")
    page.get_by_text("Window and calendar").click()
    field(page, "Calendar").select_option("Inventory")
    expect(page.locator("#preview-runs")).to_contain_text(
        "It will be skipped. Calendar “Inventory”: Stock-taking"
    )
    page.get_by_text("Clock changes").click()
    field(page, "A time that does not exist").select_option("skip")
    expect(page.locator("#preview-runs")).not_to_contain_text("does not exist")
    page.get_by_role("radio", name="One date").check()
    wall = f"{spring:%Y-%m-%d}T12:00"
    field(page, "Date and time").fill(wall)
    expect(page.locator("#preview-sentence")).to_have_text(
        f"Once, on {spring.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    page.get_by_role("radio", name="Manual").check()
    expect(page.locator("#preview-sentence")).to_have_text("Only when triggered")
    visit.assert_clean()


def test_a_viewer_sees_that_the_role_may_not(dashboard: Dashboard) -> None:
    visit = dashboard.visit(NEW, as_="vic")
    expect(visit.page.get_by_role("heading", name="Your role may not change jobs")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Create job")).to_have_count(0)
    assert visit.violations() == []


def test_a_job_that_is_not_there_or_not_ones_own_is_told(dashboard: Dashboard) -> None:
    visit = dashboard.visit(f"/dashboard/jobs/{make_job(dashboard.tenant).pk}/edit/", as_="bob")
    expect(visit.page.get_by_role("alert")).to_contain_text("This job belongs to another user.")
    visit.open("/dashboard/jobs/999/edit/")
    expect(visit.page.get_by_role("alert")).to_contain_text("There is no such job.")


def test_everything_open_on_a_phone_at_night_is_accessible(dashboard: Dashboard) -> None:
    visit = dashboard.visit(NEW, viewport=PHONE, scheme="dark")
    page = filled(visit)
    for summary in page.locator("details.more > summary").all():
        if summary.is_visible():
            summary.click()
    page.get_by_role("button", name="Add a header").click()
    field(page, "Body").select_option("json")
    field(page, "JSON body").fill('{"a": 12345678901234567890}')
    page.get_by_role("button", name="Create job").click()
    expect(page.locator('[id="payload.json-error"]')).to_contain_text("whole number of more than 15 digits")
    assert visit.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    field(page, "JSON body").fill(json.dumps({"a": 1}))
    page.get_by_role("button", name="Create job").click()
    saved(page)
    visit.assert_clean()
