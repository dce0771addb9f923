"""The form of a job in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.dashboard_browser import PHONE, Dashboard

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]


def test_one(dashboard: Dashboard) -> None:
    visit = dashboard.visit("/dashboard/jobs/new/")
    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
    assert visit.violations() == []
    visit.assert_clean(404)


def test_two(dashboard: Dashboard) -> None:
    visit = dashboard.visit("/dashboard/jobs/new/", as_="vic", viewport=PHONE, scheme="dark")
    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
    assert visit.violations() == []
    visit.assert_clean(404)
