"""What becomes of a due tick while runs of the job are live: each overlap policy, and the edges of "live"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from apps.executions import queue
from apps.executions.counters import CounterFold
from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, OutcomeNote, Skip, TenantTotals
from apps.executions.models import Counter as CounterCell
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.overlaps import MAX_WAITING
from apps.leadership.session import LeaderSession
from apps.operations.statements import read_totals
from apps.tenants import machine
from tests.dispatching import leading, settle, skips_of, stand, ticks_of

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Leading(NamedTuple):
    session: LeaderSession
    now: datetime


@pytest.fixture
def leader(live_db: str) -> Iterator[Leading]:
    with leading() as (session, now):
        yield Leading(session, now)


def live(
    job: Job, tick: datetime, *, lease: timedelta | None = None, attempt: int = 0, **fields: Any
) -> Execution:
    """An execution of the job that waits, or that is under a lease which expires `lease` from now."""
    leased: dict[str, Any] = {}
    if lease is not None:
        until = tick.now(tick.tzinfo) + lease
        leased = {
            "state": "leased",
            "lease_token": uuid4(),
            "lease_expires_at": until,
            "leased_at": tick,
            "worker": "w1",
        }
        attempt = attempt or 1
    columns = {
        "job_name": job.name,
        "kind": "scheduled",
        "scheduled_for": tick,
        "run_at": tick,
        "task_type": "noop",
        "target": "tests.noop",
        "content_version": 1,
        "timeout_seconds": 60,
        "max_attempts": 3,
        "retry_delay_seconds": 1,
        "retry_max_delay_seconds": 1,
    }
    return Execution.objects.create(
        tenant_id=job.tenant_id, job_id=job.pk, attempt=attempt, **{**columns, **leased, **fields}
    )


def secondly(tenant: Any, due: datetime, **fields: Any) -> Job:
    return stand(
        tenant,
        due,
        trigger_type="interval",
        interval_seconds=1,
        anchor_at=due,
        misfire_grace_seconds=3600,
        **fields,
    )


# -- skip -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "blocks"),
    [
        ({}, True),
        ({"lease": MINUTE}, True),
        ({"lease": -SECOND}, False),
        ({"kind": "manual"}, True),
        ({"kind": "backfill"}, False),
        ({"kind": "backfill", "lease": MINUTE}, True),
    ],
)
def test_what_is_live_has_a_tick_skipped(
    acme: Any, leader: Leading, fields: dict[str, Any], blocks: bool
) -> None:
    due = leader.now
    job = stand(acme, due)
    before = live(job, due - HOUR, **fields)

    settle(Dispatcher(), leader.session)

    made = [tick for tick in ticks_of(job) if tick != before.scheduled_for]
    assert made == ([] if blocks else [due])
    assert skips_of(job) == ([(due, due, 1, "overlap")] if blocks else [])
    assert Cursor.objects.get(job=job).next_run_at == due + HOUR


def test_jobs_of_one_group_are_told_apart_by_what_is_live(acme: Any, leader: Leading) -> None:
    due = leader.now
    jobs = [stand(acme, due) for _ in range(6)]
    busy = set(jobs[1::2])
    for job in busy:
        live(job, due - HOUR, lease=MINUTE)

    result = Dispatcher().run_once(leader.session)

    assert (result.counts["fired"], result.counts["skipped"]) == (3, 3)
    for job in jobs:
        assert (due in ticks_of(job)) is (job not in busy)
        assert len(skips_of(job)) == (job in busy)


# -- queue ------------------------------------------------------------------------------------------------------------


def test_queued_ticks_wait_for_each_other_by_a_cap_of_one(acme: Any, leader: Leading) -> None:
    due = leader.now - 3 * SECOND
    job = secondly(acme, due, overlap="queue", max_concurrency=7)
    live(job, due - HOUR, lease=MINUTE)

    settle(Dispatcher(), leader.session)

    queued = Execution.objects.filter(job_id=job.pk, state="pending").order_by("scheduled_for")
    assert [row.scheduled_for for row in queued][:4] == [due + n * SECOND for n in range(4)]
    assert {row.max_concurrency for row in queued} == {1}
    assert skips_of(job) == []


@pytest.mark.parametrize("waiting", [MAX_WAITING - 2, MAX_WAITING, MAX_WAITING + 5])
def test_no_more_than_so_many_ticks_wait(acme: Any, leader: Leading, waiting: int) -> None:
    due = leader.now - 4 * SECOND
    job = secondly(acme, due, overlap="queue")
    for n in range(waiting):
        live(job, due - HOUR - n * SECOND)
    live(job, due - 2 * HOUR, kind="manual")
    live(job, due - 2 * HOUR, kind="backfill")
    room = max(MAX_WAITING - waiting, 0)

    settle(Dispatcher(), leader.session)

    assert [tick for tick in ticks_of(job) if tick >= due] == [due + n * SECOND for n in range(room)]
    skip = Skip.objects.filter(job_id=job.pk).order_by("first")[0]
    assert (skip.first, skip.reason) == (due + room * SECOND, "overlap")
    assert skip.detail == "100 runs of this job wait already."


# -- replace ----------------------------------------------------------------------------------------------------------


def test_one_that_waits_is_replaced_and_becomes_a_skip(acme: Any, leader: Leading) -> None:
    due = leader.now
    job = stand(acme, due, overlap="replace")
    live(job, due - HOUR)

    settle(Dispatcher(), leader.session)

    assert ticks_of(job) == [due]
    (skip,) = Skip.objects.filter(job_id=job.pk)
    assert (skip.first, skip.count, skip.reason, skip.epoch) == (
        due - HOUR,
        1,
        "overlap",
        leader.session.epoch,
    )
    assert skip.detail == f"Replaced by the run of {due:%Y-%m-%d %H:%M:%S} UTC."
    assert not ExecutionLog.objects.filter(job_id=job.pk).exists()


def test_one_that_runs_is_cancelled_and_its_worker_is_told(acme: Any, leader: Leading) -> None:
    due = leader.now
    job = stand(acme, due, overlap="replace", user_id="u-7")
    running = live(job, due - HOUR, lease=MINUTE, user_id="u-7")
    with machine.connect(application_name="worker") as worker:
        worker.execute("LISTEN scheduler_cancelled")

        settle(Dispatcher(), leader.session)

        assert [notify.payload for notify in worker.notifies(timeout=5, stop_after=1)] == ["w1"]
    assert ticks_of(job) == [due]
    log = ExecutionLog.objects.get(pk=running.pk)
    sentence = f"Replaced by the run of {due:%Y-%m-%d %H:%M:%S} UTC."
    assert (log.status, log.error_message, log.attempts, log.worker) == ("failed", sentence, 1, "w1")
    attempt = Attempt.objects.get(execution_id=running.pk)
    assert (attempt.outcome, attempt.lease_token) == ("cancelled", running.lease_token)
    note = OutcomeNote.objects.get(job_id=job.pk)
    assert (note.status, note.failures, note.trailing_failures) == ("failed", 1, 0)
    assert [(delta.user_key, delta.status, delta.n) for delta in Delta.objects.all()] == [
        ("u-7", "failed", 1)
    ]
    assert skips_of(job) == []


@pytest.mark.parametrize("fields", [{"attempt": 1}, {"lease": -SECOND}])
def test_what_was_tried_fails_in_the_ledger(acme: Any, leader: Leading, fields: dict[str, Any]) -> None:
    due = leader.now
    job = stand(acme, due, overlap="replace")
    tried = live(job, due - HOUR, **fields)

    settle(Dispatcher(), leader.session)

    assert ticks_of(job) == [due]
    assert ExecutionLog.objects.get(pk=tried.pk).status == "failed"
    assert skips_of(job) == []


def test_totals_and_counters_know_of_what_was_replaced(acme: Any, leader: Leading) -> None:
    """One replaced as it waited, one as it ran: both were found, one is skipped, the other failed."""
    due = leader.now - 2 * MINUTE
    job = stand(acme, due, overlap="replace", interval_seconds=60, misfire_grace_seconds=3600)
    dispatcher = Dispatcher()
    for minutes in (0, 1, 2):
        tick = due + minutes * MINUTE
        Job.objects.filter(pk=job.pk).update(anchor_at=tick, interval_seconds=86_400)
        Cursor.objects.filter(pk=job.pk).update(next_run_at=tick)
        settle(dispatcher, leader.session)
        if minutes == 1:
            with machine.connect(application_name="worker") as worker, worker.cursor() as cursor:
                assert len(queue.claim(worker="w", limit=1, lease_seconds=60).on(cursor)) == 1

    CounterFold().run_once(leader.session)
    totals, wanted = read_totals(acme.pk)
    assert totals == wanted
    assert totals == {"tasks_found": 3, "tasks_executed": 0, "tasks_failed": 1, "tasks_skipped": 1}
    figures = TenantTotals.objects.get(tenant=acme)
    assert (figures.term_found, figures.term_skipped, figures.term_failed) == (3, 1, 1)
    assert [(cell.n, cell.fired) for cell in CounterCell.objects.all()] == [(1, 1)]


@pytest.mark.parametrize("kind", ["manual", "retry", "backfill"])
def test_what_somebody_asked_for_is_not_replaced(acme: Any, leader: Leading, kind: str) -> None:
    due = leader.now
    job = stand(acme, due, overlap="replace")
    waiting = live(job, due - HOUR, kind=kind)
    running = live(job, due - 2 * HOUR, kind=kind, lease=MINUTE)

    settle(Dispatcher(), leader.session)

    left = set(Execution.objects.filter(job_id=job.pk).values_list("pk", flat=True))
    assert {waiting.pk, running.pk} < left
    assert ticks_of(job)[-1] == due


def test_of_several_ticks_the_newest_replaces_the_others(acme: Any, leader: Leading) -> None:
    due = leader.now - 3 * SECOND
    job = secondly(acme, due, overlap="replace")

    Dispatcher().run_once(leader.session)

    (ran,) = ticks_of(job)
    assert ran >= due + 3 * SECOND
    (skip,) = Skip.objects.filter(job_id=job.pk)
    assert (skip.first, skip.last, skip.reason) == (due, ran - SECOND, "overlap")
    assert skip.detail == f"Replaced by the run of {ran:%Y-%m-%d %H:%M:%S} UTC."
    assert Cursor.objects.get(job=job).last_scheduled_for == ran


def test_a_run_that_is_just_changing_hands_is_not_waited_for(acme: Any, leader: Leading) -> None:
    """Its row is locked by a worker; the other job goes on, and this one is looked at again."""
    due = leader.now
    job, other = stand(acme, due, overlap="replace"), stand(acme, due, overlap="replace")
    held = live(job, due - HOUR)
    live(other, due - HOUR)
    dispatcher = Dispatcher()
    with machine.connect(application_name="claiming") as worker, worker.transaction():
        worker.execute("SELECT FROM executions_execution WHERE id = %s FOR UPDATE", [held.pk])
        result = dispatcher.run_once(leader.session)
        assert (result.counts["fired"], result.counts["busy"], result.again) == (1, 1, False)
        assert result.wake_in is not None
        assert result.wake_in <= 0.05
        assert (ticks_of(other), ticks_of(job)) == ([due], [held.scheduled_for])

    dispatcher.run_once(leader.session)

    assert ticks_of(job) == [due]


# -- cool-off ---------------------------------------------------------------------------------------------------------


def test_the_ticks_of_a_job_that_cools_off_are_skipped(acme: Any, leader: Leading) -> None:
    due = leader.now
    job = stand(acme, due)
    until = due + HOUR
    Cursor.objects.filter(job=job).update(cool_off_until=until)

    settle(Dispatcher(), leader.session)

    assert ticks_of(job) == []
    (skip,) = Skip.objects.filter(job_id=job.pk)
    assert (skip.first, skip.reason) == (due, "cool_off")
    assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in skip.detail


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow", "replace"])
def test_a_half_open_job_runs_once_whatever_its_policy(acme: Any, leader: Leading, overlap: str) -> None:
    due = leader.now - 3 * SECOND
    job = secondly(acme, due, overlap=overlap)
    Cursor.objects.filter(job=job).update(cool_off_until=due - SECOND)

    settle(Dispatcher(), leader.session)

    assert ticks_of(job) == [due]
    assert {reason for *_, reason in skips_of(job)} <= {"cool_off", "overlap"}
    assert sum(count for _, _, count, _ in skips_of(job)) >= 3


@pytest.mark.parametrize("overlap", ["queue", "allow", "replace"])
def test_nothing_runs_beside_the_probe(acme: Any, leader: Leading, overlap: str) -> None:
    due = leader.now
    job = stand(acme, due, overlap=overlap)
    Cursor.objects.filter(job=job).update(cool_off_until=due - MINUTE)
    probe = live(job, due - HOUR, lease=MINUTE)

    settle(Dispatcher(), leader.session)

    assert ticks_of(job) == [probe.scheduled_for]
    assert skips_of(job) == [(due, due, 1, "overlap")]
