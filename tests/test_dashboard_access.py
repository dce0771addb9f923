"""Every page, as a release serves it: light, still, under its policy, without a violation, and all by keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from playwright.sync_api import expect

from apps.dashboard.pages import PAGES
from apps.tenants.authentication import Member
from apps.tenants.context import all_tenants_scope
from apps.tenants.machine import database_url
from apps.tenants.models import Role, User
from apps.tenants.services import invitation_create
from tests.contract import records
from tests.dashboard_browser import DESKTOP, PHONE, Dashboard, Scheme, Visit
from tests.dashboard_looks import WATCH_SHIFTS, walk
from tests.replicas import ROOT
from tests.web import served

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
MOST_BYTES = 300_000
MOST_SHIFTED = 0.01
# Any two of tenant, scheme and size meet in these.
LOOKS: dict[str, tuple[tuple[Scheme, tuple[int, int]], ...]] = {
    "full": (("light", DESKTOP), ("dark", PHONE)),
    "empty": (("dark", DESKTOP), ("light", PHONE)),
}
# Of axe's rules, those whose answers are a matter of colours and sizes.
OF_LOOKS = ("color-contrast", "scrollable-region-focusable", "link-in-text-block", "target-size")
TENANT_URLS = "scheduler_saas.urls_tenant"


@pytest.fixture(scope="module")
def _site(
    _session_tenants: dict[str, Any], django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """With static files as a release has them."""
    directory = tmp_path_factory.mktemp("released")
    settings = {"DJANGO_SETTINGS_MODULE": "tests.released", "RELEASED_STATIC": str(directory / "static")}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    with django_db_blocker.unblock():
        url = database_url()
    subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url, **settings}, check=True)
    with served(url, directory, **settings) as port:
        yield port


def path_of(name: str, *args: Any) -> str:
    return reverse(name, TENANT_URLS, args)


def with_jobs(dashboard: Dashboard, tenant: str) -> dict[str, Any]:
    """A few rows of every kind, or none. No job has number 0."""
    return records.small(dashboard.cast.alice) if tenant == "full" else {"job": 0}


def pages(ids: dict[str, Any]) -> list[str]:
    """All that members see."""
    found = ["/dashboard/", path_of("dashboard-job-new")]
    found += [f"/dashboard/{name}/" for name in PAGES if name not in ("overview", "job", "job_form")]
    if ids["job"]:
        found += [path_of(name, ids["job"]) for name in ("dashboard-job", "dashboard-job-edit")]
    return found


def looked_at(visit: Visit, *looks: tuple[Scheme, tuple[int, int]]) -> list[str]:
    """What axe has against the page: by all its rules in the first look, then by those that a look matters to."""
    found = []
    for number, (scheme, size) in enumerate(looks):
        visit.scheme(scheme)
        visit.resize(size)
        visit.page.wait_for_timeout(50)
        rules = OF_LOOKS if number else ()
        found += [f"{scheme} {size[0]}: {each}" for each in visit.violations(None, *rules)]
    return found


class Traffic:
    """What a page costs and where it asks."""

    def __init__(self, visit: Visit) -> None:
        self.bytes = 0
        self.elsewhere: list[str] = []
        network = visit.page.context.new_cdp_session(visit.page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._loaded)
        visit.page.on(
            "request",
            lambda asked: asked.url.startswith((visit.root, "data:")) or self.elsewhere.append(asked.url),
        )

    def _loaded(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])


@pytest.mark.parametrize("tenant", LOOKS)
def test_members_pages(dashboard: Dashboard, tenant: str, record_property: Any) -> None:
    ids = with_jobs(dashboard, tenant)
    wrong: dict[str, list[str]] = {}
    for path in pages(ids):
        scheme, size = LOOKS[tenant][0]
        visit = dashboard.visit(scheme=scheme, viewport=size, reduced_motion="reduce")
        traffic = Traffic(visit)
        visit.page.add_init_script(WATCH_SHIFTS)
        visit.open(path)
        visit.settle()
        shifted = visit.page.evaluate("window.shifted")
        found = looked_at(visit, *LOOKS[tenant])
        record_property(f"{tenant} {path}", f"{traffic.bytes:,} bytes, shifted {shifted:.4f}")
        found += [f"{traffic.bytes:,} bytes"] if traffic.bytes > MOST_BYTES else []
        found += [f"shifted by {shifted}"] if shifted > MOST_SHIFTED else []
        found += walk(visit.page)
        wrong[path] = found + visit.complaints + traffic.elsewhere
        visit.page.context.close()
    assert {path: found for path, found in wrong.items() if found} == {}


def test_pages_for_who_is_not_signed_in_or_no_member(dashboard: Dashboard) -> None:
    account: User = dashboard.cast.bob.account
    account.email = "bob@example.com"
    account.save()
    mailed = path_of(
        "new-password",
        urlsafe_base64_encode(force_bytes(account.pk)),
        default_token_generator.make_token(account),
    )
    _, invitation = invitation_create(
        tenant=dashboard.tenant,
        email="new@example.com",
        role="member",
        actor="tests",
        by=Member(dashboard.cast.alice, dashboard.tenant, Role.OWNER, "tests"),
    )
    wrong = {}
    for path, status in (
        (path_of("sign-in"), 200),
        (path_of("forgotten-password"), 200),
        (mailed, 200),
        (path_of("join", str(invitation)), 200),
        (path_of("join", "no-such-invitation"), 404),
        ("/dashboard/nowhere/", 404),
    ):
        wrong[path] = alone(dashboard.visit(as_=None, reduced_motion="reduce"), path, status)
    visit = dashboard.visit(reduced_motion="reduce")
    with all_tenants_scope():
        dashboard.cast.alice.delete()
    wrong["no member"] = alone(visit, "/dashboard/", 403)
    assert {path: found for path, found in wrong.items() if found} == {}


def alone(visit: Visit, path: str, status: int) -> list[str]:
    """What is wrong with a page that stands alone."""
    answer = visit.page.goto(visit.root + path)
    assert answer is not None
    assert answer.status == status, path
    visit.settle()
    found = looked_at(visit, *LOOKS["full"]) + walk(visit.page)
    return found + [said for said in visit.complaints if not said.startswith(f"answer: {status} GET")]


def test_what_opens_over_a_page(dashboard: Dashboard) -> None:
    ids = records.small(dashboard.cast.alice)
    looks = (*LOOKS["full"], *LOOKS["empty"])
    visit = dashboard.visit(f"/dashboard/executions/?execution={ids['failed']}", reduced_motion="reduce")
    page = visit.page
    drawer = page.get_by_role("dialog")
    expect(drawer.locator("pre")).to_be_visible()
    assert looked_at(visit, *looks) == []
    assert walk(page) == [], "Tab goes round in the drawer, and to all of it"
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    visit.open(path_of("dashboard-job", ids["job"]))
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(drawer.get_by_label("Reason")).to_be_visible()
    assert looked_at(visit, *looks) == []
    assert walk(page) == []
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    visit.assert_clean()
