"""The form of a job as tests fill it in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.dashboard_browser import Visit

NEW = "/dashboard/jobs/new/"


def field(page: Page, label: str) -> Any:
    return page.get_by_label(label, exact=True)


def filled(visit: Visit, name: str = "Nightly report") -> Page:
    """A new job that lacks nothing."""
    page = visit.page
    field(page, "Name").fill(name)
    page.get_by_label("URL").fill("https://example.com/hook")
    return page


def jobs() -> list[Job]:
    with all_tenants_scope():
        return list(Job.objects.order_by("id"))


def saved(page: Page) -> None:
    from playwright.sync_api import expect

    expect(page).to_have_url(re.compile(r"/dashboard/jobs/\d+/$"))
