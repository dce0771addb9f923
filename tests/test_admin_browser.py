"""On-call's pages in a real browser, on a desk and in the hand: charts are drawn, nothing is refused or sticks out."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from apps.executions.models import ExecutionLog
from apps.leadership.models import LeaderTerm
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from tests.admin_rows import page
from tests.test_security_browser import Browser, olga_at  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
# Of each canvas, whether anything but the background was painted on it.
_PAINTED = """() => [...document.querySelectorAll("canvas")].map(canvas =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(byte => byte !== 0))"""
_TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


def test_on_call_works_on_a_desk_and_in_the_hand(olga_at: Browser, acme: Any) -> None:  # noqa: F811
    with all_tenants_scope():
        log = ExecutionLog.objects.get()
    own = page(ExecutionLog, "change", log.pk)
    for width, height, scheme in ((1440, 900, "light"), (390, 844, "dark")):
        olga_at.page.set_viewport_size({"width": width, "height": height})
        olga_at.page.emulate_media(color_scheme=scheme)
        for path in (
            "/admin/",
            page(Tenant),
            page(LeaderTerm),
            page(ExecutionLog),
            own,
            "/admin/retry-failures/",
        ):
            olga_at.open(path)
            olga_at.page.wait_for_function("window.Alpine !== undefined")
            assert olga_at.page.evaluate(_TOO_WIDE) <= 0, (path, width)
            if path == "/admin/":
                olga_at.page.wait_for_function(f"({_PAINTED})().every(Boolean)")
                assert len(olga_at.page.evaluate(_PAINTED)) == 3
                olga_at.page.get_by_text("As a table").click()
                expect(olga_at.page.get_by_role("cell", name="overlap 1").first).to_be_visible()
            assert olga_at.refused() == [], path

    olga_at.open(own.replace("change/", "break-glass/"))
    olga_at.page.get_by_label("Reason").fill("ticket 7")
    olga_at.page.get_by_role("button", name="Break glass").click()
    olga_at.page.get_by_role("button", name="Show this execution").click()
    expect(olga_at.page.get_by_text("https://example.com/")).to_be_visible()
    olga_at.page.get_by_role("button", name="End access").click()
    expect(olga_at.page.get_by_text("Your access to acme has ended.")).to_be_visible()
    assert olga_at.complaints == []
