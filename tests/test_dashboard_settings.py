"""The settings, in a real browser: keys, members and invitations, channels, the plan, platforms and calendars."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from apps.jobs.models import Calendar
from apps.tenants.context import tenant_scope
from apps.tenants.models import ApiKey, Invitation, Membership
from apps.vault.models import Connection, NotificationChannel
from tests.dashboard_browser import PHONE, Dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
PATH = "/dashboard/settings/"


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def press(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def latest(dashboard: Dashboard, model: Any) -> Any:
    with tenant_scope(dashboard.tenant):
        return model.objects.latest("pk")


def test_a_key_is_made_shown_once_rotated_and_revoked(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH + "#keys", as_="ann")
    page = visit.page
    dialog = page.get_by_role("dialog")
    expect(page.get_by_role("heading", name="No key is active")).to_be_visible()
    page.get_by_role("button", name="New key").click()
    press(page, "Make the key")
    expect(dialog).to_contain_text("This is needed.")
    assert visit.violations() == []
    roles = dialog.get_by_label("Role").locator("option")
    expect(roles).to_have_count(3)  # an admin makes no owner's
    dialog.get_by_label("Member").select_option(dashboard.cast.vic.user_id)
    expect(roles).to_have_count(1)
    dialog.get_by_label("Name").fill("Nightly <b>build</b>")
    press(page, "Make the key")
    shown = dialog.get_by_label("API key")
    expect(shown).to_have_value(re.compile("^sched_live_"))
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    press(page, "I have kept it")
    made = latest(dashboard, ApiKey)
    assert (made.membership_id, made.role, made.scopes) == (dashboard.cast.vic.pk, "viewer", ["read"])
    expect(page.get_by_role("heading", name="API keys")).to_be_focused()
    assert "sched_live_" not in page.content()

    row(page, made.prefix).get_by_role("button", name="Rotate").click()
    press(page, "Rotate")
    press(page, "I have kept it")
    expect(row(page, made.prefix)).to_contain_text("replaced")
    newer = latest(dashboard, ApiKey)
    row(page, newer.prefix).get_by_role("button", name="Revoke").click()
    press(page, "Revoke")
    expect(row(page, newer.prefix)).to_have_count(0)
    page.get_by_label("Show").select_option("revoked")
    expect(row(page, newer.prefix)).to_be_visible()
    assert visit.violations() == []
    visit.assert_clean()


def test_people_are_invited_changed_and_removed(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH + "#people", as_="ann")
    page, cast = visit.page, dashboard.cast
    dialog = page.get_by_role("dialog")
    expect(row(page, cast.alice.user_id).get_by_role("button")).to_have_count(0)  # admins do not touch owners
    row(page, cast.bob.user_id).get_by_role("button", name="Change role").click()
    dialog.get_by_label("Role").select_option("admin")
    press(page, "Change it")
    expect(row(page, cast.bob.user_id)).to_contain_text("admin")
    row(page, cast.vic.user_id).get_by_role("button", name="Remove").click()
    press(page, "Remove")
    expect(row(page, cast.vic.user_id)).to_have_count(0)
    with tenant_scope(dashboard.tenant):
        assert not Membership.objects.filter(pk=cast.vic.pk).exists()

    page.get_by_role("button", name="Invite by email").click()
    dialog.get_by_role("textbox", name="Email").fill("nobody")
    press(page, "Invite")
    expect(dialog).to_contain_text("Enter a valid email address.")
    expect(dialog.get_by_role("textbox", name="Email")).to_be_focused()
    dialog.get_by_role("textbox", name="Email").fill("dan@example.com")
    press(page, "Invite")
    expect(dialog.get_by_label("Link")).to_have_value(re.compile("/join/"))
    press(page, "I have kept it")
    row(page, "dan@example.com").get_by_role("button", name="Revoke").click()
    press(page, "Revoke")
    expect(page.get_by_role("heading", name="No invitation is open")).to_be_visible()
    assert latest(dashboard, Invitation).revoked_at is not None
    assert visit.violations() == []
    visit.assert_clean(400)


def test_channels_platforms_and_calendars(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH + "#channels")
    page = visit.page
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="New channel").click()
    dialog.get_by_label("Name").fill("On call")
    dialog.get_by_label("By", exact=True).select_option("webhook")
    dialog.get_by_label("Address").fill("https://example.com/hooks/7f3a")
    dialog.get_by_label("recoveries").uncheck()
    press(page, "Make the channel")
    expect(dialog.get_by_label("Signing secret")).to_have_value(re.compile("^whsec_"))
    press(page, "I have kept it")
    expect(row(page, "On call")).to_contain_text("failures, cool-offs")
    assert "7f3a" not in page.content()
    row(page, "On call").get_by_role("button", name="Switch off").click()
    expect(row(page, "On call").get_by_role("button", name="Switch on")).to_be_visible()
    assert latest(dashboard, NotificationChannel).enabled is False
    row(page, "On call").get_by_role("button", name="Test").click()
    expect(page.get_by_text("A worker sends the test now.")).to_be_visible()
    with tenant_scope(dashboard.tenant):
        NotificationChannel.objects.update(last_error="503", last_error_at="2026-11-25T02:00:00Z")
    expect(page.get_by_text("The test of On call failed: 503")).to_be_visible()
    assert visit.violations() == []

    page.get_by_role("link", name="Platforms").click()
    page.get_by_role("button", name="Connect a platform").click()
    dialog.get_by_label("Platform", exact=True).fill("gsc")
    dialog.get_by_label("Credentials").fill("secret")
    press(page, "Connect")
    expect(dialog).to_contain_text("Use a JSON object")
    dialog.get_by_label("Credentials").fill('{"refresh_token": "secret"}')
    press(page, "Connect")
    page.get_by_role("button", name="Create what is missing").click()
    expect(page.get_by_role("link", name="Google Search Console insights")).to_be_visible()
    row(page, "connected").get_by_role("button", name="Disconnect").click()
    press(page, "Disconnect")
    expect(page.get_by_role("heading", name="No platform is connected")).to_be_visible()
    with tenant_scope(dashboard.tenant):
        assert not Connection.objects.exists()

    page.get_by_role("link", name="Calendars").click()
    page.get_by_role("button", name="New calendar").click()
    dialog.get_by_label("Name").fill("Holidays")
    page.get_by_role("button", name="Add an entry").click()
    dialog.get_by_label("From").fill("2026-12-24")
    dialog.get_by_label("To", exact=True).fill("2026-12-27")
    press(page, "Make the calendar")
    row(page, "Holidays").get_by_role("button", name="Edit").click()
    dialog.get_by_label("To", exact=True).fill("never")
    press(page, "Save")
    expect(dialog.locator(".error:not([hidden])")).to_have_count(1)
    dialog.get_by_label("To", exact=True).fill("2026-12-28")
    press(page, "Save")
    expect(row(page, "Holidays")).to_contain_text("2026-12-24 to 2026-12-28")
    assert latest(dashboard, Calendar).version == 2
    assert visit.violations() == []
    visit.assert_clean(400)


def test_members_see_the_plan_and_are_told_what_is_not_theirs(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(PATH, as_="vic", viewport=PHONE, scheme="dark")
    page = visit.page
    expect(page.get_by_role("meter", name="Jobs")).to_have_attribute("aria-valuenow", "0")
    assert visit.violations() == []
    for tab, sentence in (
        ("API keys", "API keys are made, rotated and revoked by admins and owners."),
        ("Members", "Admins and owners invite people"),
        ("Notifications", "Admins and owners choose who is told"),
        ("Platforms", "No platform is connected"),
        ("Calendars", "There is no calendar"),
    ):
        page.get_by_role("navigation", name="Settings").get_by_role("link", name=tab).click()
        expect(page.get_by_role("main")).to_contain_text(sentence, use_inner_text=True)
        expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    assert visit.violations() == []
    page.go_back()
    expect(page.get_by_role("link", name="Platforms")).to_have_attribute("aria-current", "true")
    visit.assert_clean()


def test_no_answer_and_trying_again(dashboard: Dashboard) -> None:
    from playwright.sync_api import expect

    visit = dashboard.visit(as_="alice")
    page = visit.page
    page.route("**/api-keys*", lambda route: route.abort())
    visit.open(PATH + "#keys")
    expect(page.get_by_role("heading", name="This could not be read")).to_be_visible()
    page.unroute("**/api-keys*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="No key is active")).to_be_visible()
