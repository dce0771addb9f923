"""The dashboard as a whole, with a scheduler and a worker: a newcomer's first minutes, and two tenants at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from apps.dashboard.pages import PAGES
from apps.executions.models import ExecutionLog
from apps.jobs.models import Job
from apps.leadership.models import LeaderTerm
from apps.tenants.context import all_tenants_scope
from tests.casts import Cast
from tests.dashboard_browser import PASSWORD, Dashboard, Visit
from tests.dashboard_jobs import row_of
from tests.isolation.seeds import canary, confidential, seed, write_only
from tests.job_form import NEW, field, jobs, saved
from tests.replicas import running_command, wait_for
from tests.workers import WorkerProcess

pytestmark = [pytest.mark.browser, pytest.mark.same_on_every_postgres]
SECTIONS = ("#stats", "#jobs-tree", "#execution-logs", "#event-history")
SOON = 2.0  # seconds from an execution's end to its row
# When a row of an execution first stood there, in seconds since 1970, by the instant that it was for.
_FIRST_SEEN = """() => {
    window.firstSeen = {};
    new MutationObserver(() => {
        for (const due of document.querySelectorAll("#logs tbody td:first-child time"))
            window.firstSeen[due.dateTime] ??= Date.now() / 1000;
    }).observe(document.querySelector("#logs"), { subtree: true, childList: true });
}"""


@pytest.fixture
def processes(live_db: str, start: Callable[..., WorkerProcess], tmp_path: Path) -> Iterator[None]:
    """A scheduler, which leads, and a worker."""
    with running_command(live_db, tmp_path / "scheduler.log", "run_scheduler"):
        start("worker")
        wait_for(LeaderTerm.objects.exists, "a leader")
        yield


def test_a_newcomer_makes_a_job_sees_it_run_and_pauses_it(
    dashboard: Dashboard, processes: None, record_property: Callable[[str, object], None]
) -> None:
    visit = dashboard.visit("/dashboard/", as_=None)
    page = visit.page
    expect(page).to_have_url(f"{dashboard.root}/dashboard/sign-in/?next=%2Fdashboard%2F")
    page.get_by_label("Email or user name").fill("alice-acme")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    for section in SECTIONS:
        expect(page.locator(section)).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("There are no jobs yet.")

    page.get_by_role("link", name="Create your first job").click()
    expect(page).to_have_url(dashboard.root + NEW)
    field(page, "Name").fill("Warm the cache")
    field(page, "It does").select_option("tests.noop")
    page.get_by_role("radio", name="Interval").check()
    field(page, "Every").fill("1")
    field(page, "Unit of the interval").select_option("seconds")
    expect(page.locator("#preview-sentence")).to_have_text("Every second")
    page.get_by_role("button", name="Create job", exact=True).click()
    saved(page)
    [job] = jobs()

    page.get_by_role("navigation").get_by_role("link", name="Executions").click()
    page.evaluate(_FIRST_SEEN)
    expect(page.locator("#logs tbody tr").nth(4)).to_be_visible(timeout=20_000)
    seen = delays(page)
    record_property("seconds_until_an_end_is_seen", sorted(seen.values()))
    assert min(seen.values()) < SOON

    page.locator("#logs tbody tr").last.get_by_role("button").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Succeeded")
    expect(drawer).to_contain_text("Warm the cache")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)

    page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
    row = row_of(page, "Warm the cache")
    row.get_by_role("button", name="Pause Warm the cache").click()
    page.get_by_label("Reason").fill("Seen enough")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    with all_tenants_scope():
        assert Job.objects.get(pk=job.pk).pause_reason == "Seen enough"

    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#jobs-tree").get_by_text("Paused", exact=True)).to_be_visible()
    expect(page.locator("#execution-logs tbody tr").first).to_contain_text("Succeeded")
    expect(page.locator("#event-history")).to_contain_text("Warm the cache was paused")
    expect(
        page.locator("#stats .stat").filter(has_text="Failed, last 24 h").locator("dd").first
    ).to_have_text("0")
    visit.assert_clean()


def delays(page: Page) -> dict[str, float]:
    """Of each execution that ended while the page was open: how many seconds after its end its row stood there."""
    first_seen: dict[str, float] = page.evaluate("window.firstSeen")
    opened = min(first_seen.values())
    with all_tenants_scope():
        ends = {
            log.scheduled_for.isoformat(): log.finished_at.timestamp() for log in ExecutionLog.objects.all()
        }
    found = {}
    for due, at in first_seen.items():
        end = ends[re.sub("Z$", "+00:00", due)]
        if at > opened or end > opened:  # the first were there when the page was
            found[due] = at - end
    return found


# -- two tenants, side by side -----------------------------------------------------------------------------------------


class Watched:
    """A tenant's pages in a browser of its own, and all that its browser was told."""

    def __init__(self, dashboard: Dashboard, **context: Any) -> None:
        self.visit: Visit = dashboard.visit(**context)
        self.told = b""
        self._frame: Response | None = None
        self._answers: list[Response] = []
        self.visit.page.on("response", lambda answer: self._answers.append(answer))

    def begin(self, path: str) -> None:
        self.visit.page.goto("about:blank")
        self._answers.clear()  # what the page before still got
        self._frame = self.visit.page.goto(self.visit.root + path, wait_until="commit")

    def end(self) -> int:
        """Once the page has all it asks for. The status of the page's own answer."""
        assert self._frame is not None
        self.visit.settle()
        self.told += self.visit.page.content().encode()
        for each in self._answers:
            if "/static/" not in each.url and not 300 <= each.status < 400:
                self.told += each.body()
        return self._frame.status


def both(acme: Watched, ours: str, bravo: Watched, theirs: str) -> set[int]:
    """The two look at the same time. The statuses of the pages."""
    acme.begin(ours)
    bravo.begin(theirs)
    return {acme.end(), bravo.end()}


@pytest.fixture
def neighbour(live_db: str, _site: int, _chromium: Browser, other_cast: Cast) -> Iterator[Dashboard]:
    """Bravo's."""
    dashboard = Dashboard(_chromium, _site, other_cast)
    yield dashboard
    dashboard.close()


def pages(ids: dict[str, Any]) -> list[str]:
    """Every page."""
    known = {"job": f"jobs/{ids['job']}/", "job_form": f"jobs/{ids['job']}/edit/", "overview": ""}
    return [f"/dashboard/{known.get(name, f'{name}/')}" for name in PAGES]


def asking_for(ids: dict[str, Any]) -> list[str]:
    """Pages of the objects with these ids, by path, by filter and by an open drawer."""
    return [path for path in pages(ids) if str(ids["job"]) in path] + [
        f"/dashboard/executions/?execution={ids['log']}",
        f"/dashboard/executions/?user_id={ids['user']}",
        f"/dashboard/attention/?user_id={ids['user']}",
    ]


def test_two_tenants_side_by_side_never_mix(dashboard: Dashboard, neighbour: Dashboard) -> None:
    sides = {}
    for each in (dashboard, neighbour):
        sides[each.tenant.schema_name] = (Watched(each), seed(each.tenant, each.cast.alice), each.tenant)
    (acme, of_acme, _), (bravo, of_bravo, _) = sides.values()
    for ours, theirs in zip(pages(of_acme), pages(of_bravo), strict=True):
        assert both(acme, ours, bravo, theirs) == {200}
    for ours, theirs in zip(asking_for(of_acme), asking_for(of_bravo), strict=True):
        assert both(acme, theirs, bravo, ours) == {200}, "a page is a frame: what it would show is refused"
    for watched, _, tenant in sides.values():
        [(_, ids, foreign)] = [side for side in sides.values() if side[2] != tenant]
        assert canary(tenant).encode() in watched.told, "a search that finds nothing would prove nothing"
        assert confidential(tenant).encode() in watched.told
        assert write_only(tenant).encode() not in watched.told
        # An id that stands in the address comes back as an echo.
        said = watched.told.replace(ids["user"].encode(), b"")
        assert canary(foreign).encode() not in said
        watched.visit.assert_clean(404)


def test_a_session_of_another_tenant_is_nobodys(dashboard: Dashboard, neighbour: Dashboard) -> None:
    ids = seed(dashboard.tenant, dashboard.cast.alice) and seed(neighbour.tenant, neighbour.cast.alice)
    Watched(dashboard)
    [session] = [one for one in dashboard.sessions["alice"]["cookies"] if one["name"] == "sessionid"]
    watched = Watched(neighbour, as_=None)
    host = neighbour.root.split("//")[1].split(":")[0]
    watched.visit.page.context.add_cookies([{**session, "domain": host}])
    watched.begin("/dashboard/")
    assert watched.end() == 403
    assert b"You are no member of" in watched.told
    told = watched.visit.page.evaluate(
        """paths => Promise.all(paths.map(async path => {
            const answer = await fetch(path);
            return [answer.status, await answer.text()];
        }))""",
        [
            *pages(ids),
            *asking_for(ids),
            *(f"/api/scheduler/{route}" for route in ("pulse", f"jobs/{ids['job']}")),
        ],
    )
    assert {status for status, _ in told} == {403}
    said = watched.told.decode() + "".join(text for _, text in told)
    for tenant in (dashboard.tenant, neighbour.tenant):
        assert canary(tenant) not in said
