"""How pages read again: seldom enough on a busy tenant, and without losing what they show when a read fails."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.contract import records
from tests.dashboard_browser import Dashboard, Visit

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]


@pytest.fixture(autouse=True)
def ids(dashboard: Dashboard) -> dict[str, Any]:
    return records.small(dashboard.cast.alice)


def make_busy(visit: Visit) -> None:
    """Every pulse from now on says that something moved."""
    tokens = itertools.count()

    def pulse(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"token": f"moved {next(tokens)}"})

    visit.page.route("**/api/scheduler/pulse", pulse)


def test_a_busy_overview_asks_at_most_two_requests_a_second(dashboard: Dashboard) -> None:
    visit = dashboard.visit("/dashboard/")
    expect(visit.page.locator("#execution-logs-body table")).to_be_visible()
    make_busy(visit)
    asked: list[str] = []
    visit.page.on("request", lambda request: "/api/scheduler/" in request.url and asked.append(request.url))
    begun = time.monotonic()
    for _ in range(5):
        with visit.page.expect_response("**/api/scheduler/execution-logs?limit=10"):
            pass
    seconds = time.monotonic() - begun
    assert len(asked) / seconds < 2.0, asked


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


def test_the_drawer_keeps_what_it_shows_when_the_next_read_fails(dashboard: Dashboard) -> None:
    visit = dashboard.visit("/dashboard/executions/")
    visit.page.locator("#logs tbody tr").first.get_by_role("button").click()
    took = visit.page.locator("dialog dt").get_by_text("Took")
    expect(took).to_be_visible()
    visit.page.route(
        "**/api/scheduler/execution-logs/*",
        lambda route: route.fulfill(status=503, json={"detail": "Not now."}),
    )
    make_busy(visit)
    with visit.page.expect_response("**/api/scheduler/execution-logs/*"):
        pass
    with visit.page.expect_response("**/api/scheduler/execution-logs/*"):
        pass
    expect(took).to_be_visible()
    visit.assert_clean(503)
