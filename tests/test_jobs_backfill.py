"""Backfills: times of the past that had no run are run once, paced, whoever else is at work."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import close_old_connections, connection

from apps.executions.models import Execution, ExecutionLog, OutcomeNote, Skip
from apps.executions.queue import Finished, claim, complete
from apps.jobs import services
from apps.jobs.backfill import Backfill, job_backfill
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import JobRefused, TriggerSpec
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from tests.contract.client import MemberClient
from tests.contract.line import check, drain
from tests.factories import make_job
from tests.leaders import UNHURRIED
from tests.replicas import wait_for

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = TriggerSpec.cron("0 * * * *")


def hour_now() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def text(instant: datetime) -> str:
    return instant.isoformat()


def hourly(tenant: Any, **fields: Any) -> Job:
    """A job that has been at work for a week and is due in the next hour."""
    job: Job = make_job(tenant, **({"trigger": HOURLY} | fields))
    with tenant_scope(tenant):
        Job.objects.filter(pk=job.pk).update(created_at=hour_now() - 7 * DAY)
    return job


def backfill(tenant: Any, job: Job, start: datetime, until: datetime, **more: Any) -> Backfill:
    return job_backfill(tenant=tenant, job_id=job.pk, start=start, until=until, actor="tests", **more)


def live(tenant: Any, job: Job) -> list[Execution]:
    with tenant_scope(tenant):
        return list(Execution.objects.filter(job_id=job.pk).order_by("scheduled_for"))


def ended(tenant: Any, job: Job) -> list[ExecutionLog]:
    with tenant_scope(tenant):
        return list(ExecutionLog.objects.filter(job_id=job.pk).order_by("scheduled_for"))


def ledger(tenant: Any, job: Job, at: datetime, status: str = "success") -> None:
    with tenant_scope(tenant):
        ExecutionLog.objects.create(
            id=int(at.timestamp()),
            tenant=tenant,
            job_id=job.pk,
            job_name=job.name,
            kind="scheduled",
            scheduled_for=at,
            run_at=at,
            task_type=job.task_type,
            target=job.target,
            status=status,
            attempts=1,
            finished_at=at,
            created_at=at,
        )


# -- what is made -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_times_without_a_run_are_run_and_why_says_so(acme: Any, cast: Any) -> None:
    alice, now = MemberClient(cast.alice), hour_now()
    job = hourly(acme, priority=3)
    ledger(acme, job, now - 4 * HOUR, status="failed")
    with tenant_scope(acme):
        Skip.objects.create(
            tenant=acme, job_id=job.pk, first=now - 3 * HOUR, last=now - HOUR, count=3, reason="misfire"
        )
    body = {"from": text(now - 4 * HOUR), "to": text(now - HOUR), "pace_seconds": 20, "reason": "outage"}

    dry = alice.send("POST", f"jobs/{job.pk}/backfill", {**body, "dry_run": True})
    assert dry.status_code == 200, dry.content
    assert (dry.json()["found"], dry.json()["already"], dry.json()["enqueued"]) == (4, 1, 0)
    assert live(acme, job) == []

    done = alice.send("POST", f"jobs/{job.pk}/backfill", body)
    assert done.status_code == 202, done.content
    answer, made = done.json(), live(acme, job)
    assert (answer["success"], answer["job_id"], answer["dry_run"]) == (True, str(job.pk), False)
    assert (answer["found"], answer["already"], answer["enqueued"]) == (4, 1, 3)
    assert answer["execution_ids"] == sorted(row.pk for row in made)
    assert [row.scheduled_for for row in made] == [now - 3 * HOUR, now - 2 * HOUR, now - HOUR]
    assert {row.kind for row in made} == {"backfill"}
    starts = [row.run_at for row in made]
    assert [later - starts[0] for later in starts] == [timedelta(seconds=seconds) for seconds in (0, 20, 40)]
    assert {row.priority for row in made} == {-198}  # behind every priority that a job may have

    (entry,) = alice.ok(f"jobs/{job.pk}/why", at=text(now - 2 * HOUR))["times"]
    assert (entry["outcome"], entry["kind"], entry["reason"]) == ("pending", "backfill", "misfire")
    assert entry["execution_id"] == made[1].pk
    with tenant_scope(acme):
        assert Skip.objects.filter(job_id=job.pk).count() == 1  # it says what happened then


@pytest.mark.django_db
def test_asking_twice_makes_nothing_twice(acme: Any) -> None:
    job, now = hourly(acme), hour_now()
    first = backfill(acme, job, now - 5 * HOUR, now - HOUR)
    again = backfill(acme, job, now - 6 * HOUR, now - HOUR)
    assert (len(first.execution_ids), len(again.execution_ids), again.already) == (5, 1, 5)
    times = [row.scheduled_for for row in live(acme, job)]
    assert times == [now - number * HOUR for number in range(6, 0, -1)]
    # The second waits behind the first.
    assert max(row.run_at for row in live(acme, job)) == live(acme, job)[0].run_at


@pytest.mark.django_db
def test_a_backfill_is_audited_whole_and_stands_in_the_journal(acme: Any) -> None:
    job, now = hourly(acme), hour_now()
    done = backfill(acme, job, now - 2 * HOUR, now - HOUR, reason="outage", pace_seconds=2)
    backfill(acme, job, now - 2 * HOUR, now - HOUR)  # makes nothing, and says nothing
    with all_tenants_scope():
        (entry,) = AuditEntry.objects.filter(action="job.backfill", object_id=str(job.pk))
    assert (entry.actor, entry.reason) == ("tests", "outage")
    assert entry.data["execution_ids"] == done.execution_ids
    assert (entry.data["from"], entry.data["to"]) == (text(now - 2 * HOUR), text(now - HOUR))
    assert (entry.data["found"], entry.data["enqueued"], entry.data["pace_seconds"]) == (2, 2, 2)
    with tenant_scope(acme):
        (line,) = SchedulerEvent.objects.filter(job_id=job.pk, event_data__action="job.backfill")
    assert line.event_data["reason"] == "outage"


@pytest.mark.django_db
def test_a_paused_job_is_backfilled_up_to_now_and_resumed_after(acme: Any) -> None:
    job, now = hourly(acme), hour_now()
    services.job_pause(tenant=acme, job_id=job.pk, actor="tests")
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(paused_from=now - 3 * HOUR)
    assert len(backfill(acme, job, now - 3 * HOUR, now).execution_ids) == 4
    services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    with tenant_scope(acme):
        cursor = Cursor.objects.get(pk=job.pk)
    assert cursor.next_run_at is not None
    assert cursor.next_run_at > now
    assert len(live(acme, job)) == 4


@pytest.mark.django_db
def test_nights_on_which_clocks_change(acme: Any) -> None:
    new_york = "America/New_York"
    gap = hourly(acme, trigger=TriggerSpec.cron("30 2 * * *", new_york))
    overlap = hourly(acme, trigger=TriggerSpec.cron("30 1 * * *", new_york))
    backfill(acme, gap, datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 8, 12, tzinfo=UTC))
    backfill(acme, overlap, datetime(2025, 11, 2, 4, tzinfo=UTC), datetime(2025, 11, 2, 12, tzinfo=UTC))
    assert [row.scheduled_for for row in live(acme, gap)] == [datetime(2026, 3, 8, 7, tzinfo=UTC)]
    assert [row.scheduled_for for row in live(acme, overlap)] == [datetime(2025, 11, 2, 5, 30, tzinfo=UTC)]


@pytest.mark.django_db
def test_a_few_missing_among_ten_thousand_are_found_quickly(acme: Any) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    job = hourly(acme, trigger=TriggerSpec.cron("* * * * *"))
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_executionlog (id, tenant_id, job_id, job_name, kind, scheduled_for, run_at,"
            " task_type, target, status, attempts, finished_at)"
            " SELECT n, %s, %s, 'a job', 'scheduled', t, t, 'x', 'x', 'success', 1, t FROM"
            " (SELECT n, %s - n * interval '1 minute' AS t FROM generate_series(1, 10000) AS n"
            " WHERE n %% 100 <> 0) AS runs",
            [acme.pk, job.pk, now],
        )
    began = time.perf_counter()
    done = backfill(acme, job, now - 10_000 * MINUTE, now - MINUTE)
    assert time.perf_counter() - began < 3
    assert (done.found, len(done.execution_ids)) == (10_000, 100)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"from": None}, "from"),
        ({"to": "2026-11-20T00:00:00"}, "to"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "from"),
        ({"from": "2026-09-01T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "to"),
        ({"pace_seconds": -1}, "pace_seconds"),
        ({"pace_seconds": 3601}, "pace_seconds"),
        ({"pace_seconds": "1"}, "pace_seconds"),
        ({"dry_run": "no"}, "dry_run"),
        ({"reason": "two\nlines"}, "reason"),
        ({"user_id": "bob"}, "user_id"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_field(
    acme: Any, cast: Any, change: dict[str, Any], field: str
) -> None:
    job, now = hourly(acme), hour_now()
    body = {"from": text(now - HOUR), "to": text(now - HOUR), **change}
    answer = MemberClient(cast.alice).send("POST", f"jobs/{job.pk}/backfill", body)
    assert answer.status_code == 400, answer.content
    assert set(answer.json()["errors"]) == {field}
    assert live(acme, job) == []


@pytest.mark.django_db
def test_what_is_to_come_and_what_the_schedule_still_owes_is_not_backfilled(acme: Any) -> None:
    job, now = hourly(acme), hour_now()
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(next_run_at=now - 2 * HOUR)
    for until in (now + 2 * HOUR, now - 2 * HOUR, now - HOUR):
        with pytest.raises(JobRefused) as refusal:
            backfill(acme, job, now - 4 * HOUR, until)
        assert set(refusal.value.errors) == {"to"}
    assert len(backfill(acme, job, now - 4 * HOUR, now - 2 * HOUR - MINUTE).execution_ids) == 2


@pytest.mark.django_db
def test_too_many_are_refused_with_how_many_there_would_be(acme: Any) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    job = hourly(acme, trigger=TriggerSpec.every(60, anchor_at=now - 30 * DAY))
    with pytest.raises(JobRefused, match="1,440 runs"):
        backfill(acme, job, now - DAY, now - MINUTE)
    secondly = hourly(acme, trigger=TriggerSpec.every(1, anchor_at=now - 30 * DAY))
    with pytest.raises(JobRefused, match="259,200 times"):
        backfill(acme, secondly, now - 3 * DAY, now - timedelta(seconds=1))
    backfill(acme, job, now - 900 * MINUTE, now - MINUTE)
    with pytest.raises(JobRefused, match="900 backfills of this job wait"):
        backfill(acme, job, now - 1_050 * MINUTE, now - 901 * MINUTE)
    assert len(live(acme, job)) == 900


@pytest.mark.django_db
def test_whose_job_it_is(acme: Any, cast: Any, other_cast: Any) -> None:
    job, now = hourly(acme, user_id=cast.bob.user_id), hour_now()
    body = {"from": text(now - HOUR), "to": text(now - HOUR)}
    statuses = {
        name: MemberClient(who).send("POST", f"jobs/{job.pk}/backfill", body).status_code
        for name, who in (("vic", cast.vic), ("charlie", other_cast.alice), ("bob", cast.bob))
    }
    assert statuses == {"vic": 403, "charlie": 404, "bob": 202}
    other = hourly(acme, user_id=cast.alice.user_id)
    assert MemberClient(cast.bob).send("POST", f"jobs/{other.pk}/backfill", body).status_code == 403
    services.job_delete(tenant=acme, job_id=job.pk, actor="tests")
    assert MemberClient(cast.alice).send("POST", f"jobs/{job.pk}/backfill", body).status_code == 404


@pytest.mark.django_db
def test_a_deleted_jobs_backfills_end_where_who_asked_can_find_them(acme: Any) -> None:
    job, now = hourly(acme), hour_now()
    backfill(acme, job, now - 2 * HOUR, now - HOUR)
    services.job_delete(tenant=acme, job_id=job.pk, actor="tests")
    assert live(acme, job) == []
    assert [(row.kind, row.status) for row in ended(acme, job)] == [("backfill", "failed")] * 2
    with tenant_scope(acme):
        assert not Skip.objects.filter(job_id=job.pk, first__lt=now).exists()


# -- beside the rest of the line --------------------------------------------------------------------------------------


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def test_what_a_backfill_ends_with_says_nothing_of_the_jobs_health(acme: Any, live_db: str) -> None:
    now = hour_now()
    job = hourly(acme, target="tests.raise", payload={})
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(last_status="success", consecutive_failures=0)
    backfill(acme, job, now - 3 * HOUR, now - HOUR, pace_seconds=0)
    asyncio.run(drain())
    check()
    assert [(row.kind, row.status) for row in ended(acme, job)] == [("backfill", "failed")] * 3
    with tenant_scope(acme):
        cursor = Cursor.objects.get(pk=job.pk)
        assert not OutcomeNote.objects.filter(job_id=job.pk).exists()
    assert (cursor.last_status, cursor.consecutive_failures, cursor.last_failure_at) == ("success", 0, None)
    assert cursor.next_run_at is not None
    assert cursor.next_run_at > now

    services.job_trigger(tenant=acme, job_id=job.pk, actor="tests")
    asyncio.run(drain())
    check()
    with tenant_scope(acme):
        cursor.refresh_from_db()
    assert (cursor.last_status, cursor.consecutive_failures) == ("failed", 1)


def test_a_backlog_does_not_make_ticks_overlap_but_one_under_way_does(
    acme: Any, leader: LeaderSession, live_db: str
) -> None:
    now = hour_now()
    job = hourly(acme, misfire_grace_seconds=7 * 86_400)
    backfill(acme, job, now - 30 * HOUR, now - 3 * HOUR, pace_seconds=0)
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(next_run_at=now)
    Dispatcher().run_once(leader)
    assert [row.scheduled_for for row in live(acme, job) if row.kind == "scheduled"] == [now]

    with _machine() as session:
        # The tick comes first: a backfill has a lower priority, though it has waited longer.
        (first,) = claim(worker="w", limit=1, lease_seconds=60).on(session.cursor())
        assert (first.kind, first.scheduled_for) == ("scheduled", now)
        (second,) = claim(worker="w", limit=1, lease_seconds=60).on(session.cursor())
        assert second.kind == "backfill"
        complete([_success(first.id, first.token)]).on(session.cursor())
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(next_run_at=now - 2 * HOUR, last_scheduled_for=None)
    Dispatcher().run_once(leader)
    with tenant_scope(acme):
        reasons = set(Skip.objects.filter(job_id=job.pk).values_list("reason", flat=True))
    assert reasons == {"overlap"}
    assert [row for row in live(acme, job) if row.kind == "scheduled"] == []


def test_two_backfills_at_once_make_each_run_once(acme: Any, live_db: str) -> None:
    now, job = hour_now(), hourly(acme)
    ready, done, errors = threading.Barrier(4), [], []

    def ask(shift: int) -> None:
        try:
            ready.wait(10)
            done.append(backfill(acme, job, now - (50 + shift) * HOUR, now - (1 + shift) * HOUR))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(shift,)) for shift in (0, 0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    rows = live(acme, job)
    assert sorted(row.scheduled_for for row in rows) == [now - number * HOUR for number in range(70, 0, -1)]
    assert sorted(one for each in done for one in each.execution_ids) == sorted(row.pk for row in rows)


def test_what_is_run_while_a_backfill_waits_for_the_cursor_is_left_out(acme: Any, live_db: str) -> None:
    now, job = hour_now(), hourly(acme)
    done: list[Backfill] = []

    def ask() -> None:
        try:
            done.append(backfill(acme, job, now - 3 * HOUR, now - HOUR))
        finally:
            connection.close()

    with _machine() as dispatcher, dispatcher.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM jobs_cursor WHERE job_id = %s FOR UPDATE", [job.pk])
        asking = threading.Thread(target=ask)
        asking.start()
        _wait_for_blocked()
        ledger_row = (acme.pk, job.pk, now - 2 * HOUR, now - 2 * HOUR)
        cursor.execute(
            "INSERT INTO executions_execution (tenant_id, job_id, job_name, kind, scheduled_for, run_at, task_type,"
            " target, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds)"
            " VALUES (%s, %s, 'a job', 'scheduled', %s, %s, 'x', 'x', 1, 60, 1, 1, 1)",
            ledger_row,
        )
        cursor.execute("COMMIT")
        asking.join(20)
    assert len(done[0].execution_ids) == 2
    assert [(row.kind, row.scheduled_for) for row in live(acme, job)] == [
        ("backfill", now - 3 * HOUR),
        ("scheduled", now - 2 * HOUR),
        ("backfill", now - HOUR),
    ]


def test_a_run_that_is_just_moving_to_the_ledger_is_not_run_again(
    acme: Any, leader: LeaderSession, live_db: str
) -> None:
    now = hour_now()
    job = hourly(acme, misfire_grace_seconds=7 * 86_400)
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(next_run_at=now)
    Dispatcher().run_once(leader)
    with _machine() as worker:
        (mine,) = claim(worker="w", limit=1, lease_seconds=60).on(worker.cursor())
        worker.execute("BEGIN")
        complete([_success(mine.id, mine.token)]).on(worker.cursor())
        assert backfill(acme, job, now, now).already == 1  # not committed: it is live still
        worker.execute("COMMIT")
    assert live(acme, job) == []
    assert backfill(acme, job, now, now).already == 1
    assert [row.kind for row in ended(acme, job)] == ["scheduled"]


@contextmanager
def _machine() -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A session of the machine's, as leaders and workers have, in autocommit."""
    close_old_connections()
    session = machine.connect(application_name="tests")
    try:
        yield session
    finally:
        session.close()


def _success(execution_id: int, token: str) -> Finished:
    began = time.time()
    return Finished(execution_id, token, "success", began, began)


def _wait_for_blocked() -> None:
    def blocked() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            (number,) = cursor.fetchone()
        return bool(number)

    wait_for(blocked, "a backfill waits for the cursor")
