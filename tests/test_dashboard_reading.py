"""How pages read again after a read has failed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.contract import records
from tests.dashboard_browser import Dashboard

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]


@pytest.fixture(autouse=True)
def ids(dashboard: Dashboard) -> dict[str, Any]:
    return records.small(dashboard.cast.alice)


def test_what_is_read_after_an_error_replaces_it_though_it_is_as_before(dashboard: Dashboard) -> None:
    visit = dashboard.visit("/dashboard/events/")
    lines = visit.page.locator("#events li")
    expect(lines.first).to_be_visible()
    before = lines.count()
    refused = "**/api/scheduler/event-history?*days=30*"
    visit.page.route(refused, lambda route: route.fulfill(status=503, json={"detail": "Not now."}))
    visit.page.get_by_label("Days").select_option("30")
    expect(visit.page.get_by_text("Not now.")).to_be_visible()
    visit.page.unroute(refused)
    visit.page.get_by_role("button", name="Try again").click()
    expect(lines).to_have_count(before)
    visit.assert_clean(503)
