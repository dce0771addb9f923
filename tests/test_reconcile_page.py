"""The page of repair in a real browser: look, see what changes, say why, repair; and what it shows, without one."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from apps.jobs import services as jobs
from apps.operations.diffs import Change, changes_of
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.drift import START, minutely
from tests.factories import make_job
from tests.test_platform_reconcile import connect
from tests.test_reconcile_stuck_executions import leased, live
from tests.test_security_browser import Browser, olga_at  # noqa: F401 - a fixture

pytestmark = pytest.mark.same_on_every_postgres

PUBLIC = "scheduler_saas.urls_public"


@pytest.fixture
def olga(olga_at: Browser) -> Browser:  # noqa: F811
    """In Playwright's loop Django has another connection, which the end of the test before has broken."""
    connection.close()
    return olga_at


@pytest.mark.browser
def test_on_call_sees_what_changes_and_repairs_it_with_a_reason(
    olga: Browser,
    acme: Any,
    bravo: Any,
) -> None:
    with all_tenants_scope():
        job = make_job(acme, name="Nightly invoices", target="tests.noop", payload={})
        leased(job)
        live(make_job(bravo, name="Sitemap", target="tests.noop", payload={}), target="gone.away")
        minutely(acme, next_run_at=START, last_scheduled_for=START)
        jobs.job_delete(tenant=bravo, job_id=make_job(bravo, name="Old").id, actor="tests")
        connect(bravo, "bea")
    page = olga.page
    olga.open(reverse("admin:reconcile", PUBLIC) + "?kind=all&jobs=1")
    assert page.get_by_text("Ids are of one kind").is_visible()
    olga.open(reverse("admin:reconcile", PUBLIC) + "?kind=all")
    for title in ("Cursors", "Platform jobs", "Stuck executions", "Vault rows"):
        assert page.get_by_text(f"{title} · ").count() > 0, title
    picture(page, "everything")
    page.get_by_label("Kind").select_option("stuck_executions")
    page.get_by_role("button", name="Look again").click()
    page.wait_for_url("**kind=stuck_executions**")
    assert page.get_by_text("2 found at").is_visible()
    section = page.locator("section", has=page.get_by_role("link", name="acme", exact=True))
    assert "Nightly invoices" in section.inner_text()
    assert section.locator("del").all_inner_texts()[:2] == ["leased", "w1"]
    assert section.locator("ins").all_inner_texts()[:2] == ["pending", "none"]
    assert "attempt 1, stays" in section.inner_text()
    picture(page, "found")
    with all_tenants_scope():
        assert not AuditEntry.objects.filter(action="reconcile.run").exists()
    page.get_by_label("Reason").fill("runbook: leases expired")
    page.get_by_role("button", name="Repair 2").click()
    page.get_by_text("0 created, 2 repaired").wait_for()
    picture(page, "done")
    with all_tenants_scope():
        entries = AuditEntry.objects.filter(action="reconcile.stuck_executions")
        assert {entry.reason for entry in entries} == {"runbook: leases expired"}
    assert olga.refused() == []
    assert olga.complaints == []


def picture(page: Any, name: str) -> None:
    """For who wants to look: RECONCILE_PICTURES names a directory."""
    if directory := os.environ.get("RECONCILE_PICTURES"):
        page.screenshot(path=f"{directory}/reconcile-{name}.png", full_page=True)


def test_what_changes_comes_first_and_what_is_nothing_is_left_out() -> None:
    assert changes_of(
        {"attempt": 1, "state": "leased", "worker": "w", "next_run_at": None, "gone": None},
        {"attempt": 1, "state": "pending", "worker": None, "next_run_at": "2026-11-25T01:30:00+00:00"},
    ) == (
        Change("state", "leased", "pending"),
        Change("worker", "w", "none"),
        Change("next run at", "none", "2026-11-25 01:30:00 UTC"),
        Change("attempt", "1", "1"),
    )
    assert changes_of({"n": 12345, "is": True}, {"n": 2, "is": False}) == (
        Change("n", "12,345", "2"),
        Change("is", "yes", "no"),
    )
    assert changes_of({"name": "2026-99-25T01:30:00"}, {})[0].found == "2026-99-25T01:30:00"
