"""A job's policies of time, from the request to the queue: windows, calendars, jitter, backfills, priorities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from apps.executions.models import Execution, Skip
from apps.jobs.backfill import job_backfill
from apps.jobs.calendars.services import calendar_create, calendar_update
from apps.jobs.dispatch import Dispatcher
from apps.jobs.jitter import delay, fraction
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import DateRule, IntervalRule
from apps.jobs.selectors import job_of
from apps.jobs.services import job_update
from apps.jobs.specs import JobRefused, TriggerSpec
from apps.leadership.session import LeaderSession
from apps.operations.reconcilers.placement import examine
from apps.tenants.context import tenant_scope
from apps.tenants.models import AuditEntry
from tests.contract.client import MemberClient
from tests.factories import make_job
from tests.leaders import UNHURRIED

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PAGE = {"url": "https://example.com/"}


@pytest.fixture
def alice(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


def hour(ago: int = 0) -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - ago * HOUR


def hourly(**window: Any) -> TriggerSpec:
    return TriggerSpec(trigger_type="cron", cron_expression="0 * * * *", **window)


def body(**trigger: Any) -> dict[str, Any]:
    when = {"type": "cron", "cron_expression": "0 * * * *", **trigger}
    return {"name": "j", "target": "http_check", "payload": PAGE, "trigger": when}


def cursor_of(job: Any) -> Cursor:
    with tenant_scope(job.tenant):
        return Cursor.objects.get(job_id=job.pk)


def put_back(job: Any, due: datetime, **columns: Any) -> None:
    """As if nobody had dispatched the job since `due`."""
    with tenant_scope(job.tenant):
        Job.objects.filter(pk=job.pk).update(created_at=due - DAY, schedule_since=due - DAY, **columns)
        Cursor.objects.filter(job_id=job.pk).update(next_run_at=due, last_scheduled_for=due - HOUR)


def dispatch() -> None:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    try:
        dispatcher = Dispatcher()
        for _ in range(20):
            if not dispatcher.run_once(session).again:
                return
        raise AssertionError("it does not come to an end")
    finally:
        session.close(reason="test over")


def runs(job: Any) -> list[Execution]:
    with tenant_scope(job.tenant):
        return list(Execution.objects.filter(job_id=job.pk).order_by("scheduled_for"))


def skips(job: Any) -> list[tuple[datetime, datetime, int, str, str]]:
    with tenant_scope(job.tenant):
        rows = Skip.objects.filter(job_id=job.pk).order_by("first")
        return list(rows.values_list("first", "last", "count", "reason", "detail"))


# -- windows ----------------------------------------------------------------------------------------------------------


def test_a_window_bounds_the_times_of_the_schedule_and_is_shown_with_the_trigger(alice: MemberClient) -> None:
    start, end = hour(-24), hour(-26)
    answer = alice.send("POST", "jobs", body(starts_at=start.isoformat(), ends_at=end.isoformat()))
    assert answer.status_code == 201, answer.content
    job = answer.json()

    assert datetime.fromisoformat(job["next_run_time"]) == start
    assert {name: datetime.fromisoformat(job["trigger"][name]) for name in ("starts_at", "ends_at")} == {
        "starts_at": start,
        "ends_at": end,
    }
    assert job["frequency"].startswith("Every hour, on the hour (UTC), from ")
    coming = alice.ok(f"jobs/{job['id']}/next-runs")["next_runs"]
    assert [datetime.fromisoformat(run["run_time"]) for run in coming] == [start, start + HOUR, end]
    why = alice.ok(f"jobs/{job['id']}/why", at=(end + HOUR).isoformat().replace("+00:00", "Z"))
    assert why["times"][0]["outcome"] == "not_scheduled"
    assert datetime.fromisoformat(why["nearest"]["before"]) == end
    assert why["nearest"]["after"] is None


@pytest.mark.parametrize(
    ("trigger", "field", "fragment"),
    [
        (
            {"starts_at": "2030-05-02T00:00:00Z", "ends_at": "2030-05-02T00:00:00Z"},
            "ends_at",
            "end after it starts",
        ),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at", "2020-01-01 00:00 UTC has passed"),
        (
            {"starts_at": "2030-05-02T00:10:00Z", "ends_at": "2030-05-02T00:50:00Z"},
            "ends_at",
            "would never run",
        ),
        ({"starts_at": "9999-12-31T23:30:00Z"}, "starts_at", "would never run"),
        ({"starts_at": "2030-05-02T00:00:00"}, "starts_at", "needs its UTC offset"),
        ({"starts_at": "soon"}, "starts_at", "not a date and time"),
    ],
)
def test_a_window_without_a_time_to_come_is_refused(
    alice: MemberClient, trigger: dict[str, Any], field: str, fragment: str
) -> None:
    for method, path, sent in (
        ("POST", "jobs", body(**trigger)),
        ("POST", "jobs/preview", {"trigger": body(**trigger)["trigger"]}),
    ):
        answer = alice.send(method, path, sent)
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [f"trigger.{field}"]
        assert fragment in answer.json()["errors"][f"trigger.{field}"][0]


def test_an_interval_begins_with_its_window_and_a_manual_job_has_none(alice: MemberClient) -> None:
    start = "2031-05-01T09:00:30Z"
    every = alice.send(
        "POST", "jobs", body(type="interval", interval_seconds=600, starts_at=start) | {"name": "i"}
    )
    assert "cron_expression" not in every.json()["trigger"]
    assert every.json()["trigger"]["anchor_at"] == every.json()["next_run_time"] == start

    manual = alice.send("POST", "jobs", body(type="manual", starts_at=start)).json()
    assert (manual["trigger"], manual["next_run_time"]) == ({"type": "manual"}, None)


def test_moving_a_window_places_the_job_anew_and_taking_it_away_brings_the_schedule_back(
    db: None, acme: Any
) -> None:
    job = make_job(acme, trigger=hourly(starts_at=hour(-48)))
    assert cursor_of(job).next_run_at == hour(-48)

    def edit(**changes: Any) -> Any:
        return job_update(tenant=acme, job_id=job.pk, changes=changes, actor="tests")

    assert edit(starts_at=hour(-72)).cursor.next_run_at == hour(-72)
    moved = edit(starts_at=None)
    assert moved.cursor.next_run_at in (hour(-1), hour(-2))
    assert moved.version == 3
    with pytest.raises(JobRefused) as caught:
        edit(ends_at=hour(1))
    assert list(caught.value.errors) == ["ends_at"]
    assert edit(trigger_type="interval", interval_seconds=60).starts_at is None


def test_a_schedule_that_is_over_is_completed_and_can_be_prolonged(live_db: str, acme: Any) -> None:
    job = make_job(acme, trigger=hourly())
    put_back(job, hour(2), ends_at=hour(2) + 30 * MINUTE)
    dispatch()

    assert [run.scheduled_for for run in runs(job)] == [hour(2)]
    assert (skips(job), cursor_of(job).next_run_at) == ([], None)
    with tenant_scope(acme):
        over: Any = job_of(acme, job.pk)
        assert over.status == "completed"
        assert examine(over, over.cursor, hour(2)) is None  # nothing to repair
    longer = job_update(tenant=acme, job_id=job.pk, changes={"ends_at": hour(-50)}, actor="tests")
    assert longer.cursor.next_run_at in (hour(-1), hour(-2))


# -- calendars --------------------------------------------------------------------------------------------------------


def local(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat()


def test_times_in_a_blackout_are_skipped_with_the_calendars_reason_and_why_says_it(
    live_db: str, acme: Any, cast: Any
) -> None:
    entry = {"from": local(hour(4)), "to": local(hour(1)), "reason": "stock-taking"}
    calendar = calendar_create(tenant=acme, name="Shop", blackouts=[entry], actor="tests")
    job = make_job(acme, trigger=hourly(), calendar_id=calendar.pk, misfire="fire_all", overlap="allow")
    put_back(job, hour(5))
    dispatch()

    said = "Calendar “Shop”: stock-taking."
    assert skips(job) == [(hour(4), hour(2), 3, "window", said)]
    assert [run.scheduled_for for run in runs(job)] == [hour(5), hour(1), hour(0)]
    alice = MemberClient(cast.alice)
    (why,) = alice.ok(f"jobs/{job.pk}/why", at=hour(3).isoformat().replace("+00:00", "Z"))["times"]
    assert (why["outcome"], why["reason"], why["detail"]) == ("skipped", "window", said)


def test_an_edit_of_a_calendar_counts_for_what_is_not_dispatched_yet(live_db: str, acme: Any) -> None:
    calendar = calendar_create(
        tenant=acme, name="Shop", blackouts=[{"from": local(hour(9)), "to": local(hour(-9))}], actor="tests"
    )
    job = make_job(acme, trigger=hourly(), calendar_id=calendar.pk)
    put_back(job, hour(3))
    before = cursor_of(job).next_run_at
    dispatch()
    assert (runs(job), [count for _, _, count, *_ in skips(job)]) == ([], [4])

    put_back(job, hour(0))
    calendar_update(tenant=acme, calendar_id=calendar.pk, changes={"blackouts": []}, actor="tests")
    dispatch()
    assert before == hour(3)
    assert [run.scheduled_for for run in runs(job)] == [hour(0)]


# -- jitter -----------------------------------------------------------------------------------------------------------


def test_jitter_is_a_place_of_its_own_for_each_job_and_spreads_neighbours() -> None:
    places = [fraction(job_id) for job_id in range(1, 1001)]

    assert places == [fraction(job_id) for job_id in range(1, 1001)]
    assert all(0 <= place < 1 for place in places)
    for tenth in range(10):  # of a thousand neighbours about a hundred run in each tenth
        assert 90 <= sum(tenth / 10 <= place < (tenth + 1) / 10 for place in places) <= 110
    assert 0 <= fraction(2**63 - 1) < 1


def test_the_database_agrees_on_the_fraction(db: None) -> None:
    ids = [1, 2, 7, 4_294_967_296, 2_654_435_761, 9_007_199_254_740_993]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT mod(id::numeric * 2654435761, 4294967296) / 4294967296 FROM unnest(%s) AS id", [ids]
        )
        assert [float(value) for (value,) in cursor] == pytest.approx([fraction(job_id) for job_id in ids])


def test_jitter_ends_before_the_next_time() -> None:
    tick = datetime(2026, 6, 1, tzinfo=UTC)
    for job_id in range(200):
        assert delay(job_id, IntervalRule(60, tick), tick, 3600) < 60
        assert delay(job_id, DateRule(tick), tick, 3600) == 3600 * fraction(job_id)
        assert delay(job_id, IntervalRule(60, tick), tick, 0) == 0


def test_next_runs_show_when_a_job_with_jitter_starts_beside_the_nominal_time(alice: MemberClient) -> None:
    job = alice.send("POST", "jobs", body() | {"policies": {"jitter_seconds": 900}}).json()
    coming = alice.ok(f"jobs/{job['id']}/next-runs")["next_runs"]

    late = {datetime.fromisoformat(run["run_at"]) - datetime.fromisoformat(run["run_time"]) for run in coming}
    assert len(late) == 1
    assert late.pop().total_seconds() == pytest.approx(900 * fraction(int(job["id"])), abs=1e-5)


def test_jitter_moves_the_start_of_a_run_and_not_its_nominal_time(live_db: str, acme: Any) -> None:
    job = make_job(acme, trigger=hourly(), jitter_seconds=1800, misfire_grace_seconds=7200)
    put_back(job, hour(0))
    dispatch()

    (run,) = runs(job)
    assert run.scheduled_for == hour(0)
    assert (run.run_at - hour(0)).total_seconds() == pytest.approx(1800 * fraction(job.pk), abs=1e-3)


# -- catching up ------------------------------------------------------------------------------------------------------


def test_fire_all_catches_up_on_three_days_of_minutes_by_its_cap_and_pace(live_db: str, acme: Any) -> None:
    job = make_job(
        acme,
        trigger=TriggerSpec.cron("* * * * *"),
        misfire="fire_all",
        misfire_max_runs=50,
        misfire_pace_seconds=20,
        misfire_grace_seconds=0,
        overlap="allow",
    )
    put_back(job, hour(72))
    dispatch()

    made, [older] = runs(job), skips(job)
    assert len(made) == 50
    gaps = {later.run_at - earlier.run_at for earlier, later in pairwise(made)}
    assert gaps == {timedelta(seconds=20)}
    assert all(later.scheduled_for - earlier.scheduled_for == MINUTE for earlier, later in pairwise(made))
    assert (older[0], older[1], older[3]) == (hour(72), made[0].scheduled_for - MINUTE, "misfire")
    assert older[2] == (made[0].scheduled_for - hour(72)) // MINUTE
    assert older[4] == "Of the times that were missed, the latest 50 are made up for."


# -- backfills --------------------------------------------------------------------------------------------------------


def test_a_backfill_runs_what_a_blackout_kept_from_running_and_nothing_outside_the_window(
    db: None, acme: Any
) -> None:
    entry = {"from": local(hour(30)), "to": local(hour(1))}
    calendar = calendar_create(tenant=acme, name="Shop", blackouts=[entry], actor="tests")
    job = make_job(acme, trigger=hourly(), calendar_id=calendar.pk)
    with tenant_scope(acme):
        Job.objects.filter(pk=job.pk).update(
            created_at=hour(40), schedule_since=hour(40), starts_at=hour(6), ends_at=hour(3) + 5 * MINUTE
        )
        Skip.objects.create(
            tenant=acme, job_id=job.pk, first=hour(6), last=hour(3), count=4, reason="window", detail="Shop."
        )
    done = job_backfill(tenant=acme, job_id=job.pk, start=hour(10), until=hour(1), actor="tests")

    assert (done.found, done.missing, done.already) == (4, 4, 0)
    assert [run.scheduled_for for run in runs(job)] == [hour(6), hour(5), hour(4), hour(3)]
    again = job_backfill(tenant=acme, job_id=job.pk, start=hour(10), until=hour(1), actor="tests")
    assert (again.found, again.missing, again.execution_ids) == (4, 0, [])


def test_a_backfill_wholly_outside_the_window_finds_nothing(db: None, acme: Any) -> None:
    job = make_job(acme, trigger=hourly(starts_at=hour(-5)))
    done = job_backfill(tenant=acme, job_id=job.pk, start=hour(10), until=hour(1), actor="tests")

    assert (done.found, done.execution_ids) == (0, [])


# -- priorities -------------------------------------------------------------------------------------------------------


def test_within_a_tenant_ranks_follow_priorities(live_db: str, acme: Any) -> None:
    jobs = [
        make_job(acme, name=f"p{priority}", trigger=hourly(), priority=priority, misfire_grace_seconds=7200)
        for priority in (-100, 100, 0, 50, -1)
    ]
    for job in jobs:
        put_back(job, hour(0))
    dispatch()

    made = [run for job in jobs for run in runs(job)]
    assert len(made) == 5
    assert all(run.rank is not None for run in made)
    by_rank = sorted(made, key=lambda run: run.rank or 0)
    assert [run.priority for run in by_rank] == [100, 50, 0, -1, -100]


# -- what a request may say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "value", "fragment"),
    [
        ("misfire", "sometimes", "fire_once, fire_all, skip"),
        ("misfire_max_runs", 0, "from 1 to 1,000"),
        ("misfire_max_runs", 1001, "from 1 to 1,000"),
        ("misfire_pace_seconds", -1, "from 0 to 3,600"),
        ("misfire_pace_seconds", 1.5, "from 0 to 3,600"),
        ("jitter_seconds", 86_401, "from 0 to 86,400"),
        ("max_concurrency", 0, "from 1 to 1,000, or null"),
        ("max_concurrency", True, "from 1 to 1,000, or null"),
        ("cool_off_after", -1, "from 0 to 1,000"),
        ("cool_off_seconds", 0, "from 1 to 86,400"),
        ("overlap", "never", "skip, queue, allow, replace"),
    ],
)
def test_a_policy_out_of_range_is_refused_with_its_range(
    alice: MemberClient, policy: str, value: Any, fragment: str
) -> None:
    answer = alice.send("POST", "jobs", body() | {"policies": {policy: value}})

    assert answer.status_code == 400
    assert fragment in answer.json()["errors"][f"policies.{policy}"][0]


def test_every_policy_is_kept_changed_replaced_and_audited(alice: MemberClient, cast: Any) -> None:
    given = {
        "misfire": "fire_all",
        "misfire_grace_seconds": 5,
        "misfire_max_runs": 7,
        "misfire_pace_seconds": 9,
        "overlap": "queue",
        "max_concurrency": 3,
        "jitter_seconds": 30,
        "cool_off_after": 0,
        "cool_off_seconds": 60,
    }
    made = alice.send("POST", "jobs", body() | {"policies": given})
    assert made.status_code == 201, made.content
    job = made.json()
    assert job["policies"] == job["policies"] | given

    path = f"jobs/{job['id']}"
    patched = alice.send("PATCH", path, {"policies": {"jitter_seconds": 0, "max_concurrency": None}}).json()
    assert patched["policies"] == job["policies"] | {"jitter_seconds": 0, "max_concurrency": None}
    replaced = alice.send("PUT", path, body()).json()["policies"]
    assert {name: replaced[name] for name in given} == {
        "misfire": "fire_once",
        "misfire_grace_seconds": 15,
        "misfire_max_runs": 100,
        "misfire_pace_seconds": 1,
        "overlap": "skip",
        "max_concurrency": None,
        "jitter_seconds": 0,
        "cool_off_after": 5,
        "cool_off_seconds": 300,
    }
    with tenant_scope(cast.alice.tenant):
        first, *_ = AuditEntry.objects.filter(action="job.update", object_id=job["id"]).order_by("id")
    assert first.data["before"] == {"jitter_seconds": 30, "max_concurrency": 3}
    assert first.data["after"] == {"jitter_seconds": 0, "max_concurrency": None}
