"""What the dispatcher makes of a job that fails: ticks beside a retry that waits, in a cool-off, and half open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.executions import queue
from apps.executions.models import Execution, ExecutionLog, Skip
from apps.executions.queue import Claimed, Failed
from apps.jobs import services
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.jobs.schedules import database_now
from apps.jobs.sentences import sentence_of
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.jobs.why import why_at, why_between
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.leaders import UNHURRIED
from tests.workers import Session, end_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    with all_tenants_scope():
        yield session
    session.close(reason="test over")


@pytest.fixture
def session(leader: LeaderSession) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as session:
        yield session


def make(tenant: Any, **fields: Any) -> Job:
    """Every minute; one failure in a row, then ten minutes."""
    job = services.job_create(
        tenant=tenant,
        spec=JobSpec(
            name="a job",
            trigger=TriggerSpec(
                trigger_type="interval", interval_seconds=60, anchor_at=database_now() - 3 * HOUR
            ),
            target="tests.noop",
            payload={},
            user_id="u-1",
            max_attempts=2,
        ),
        actor="tests",
    )
    Job.objects.filter(pk=job.pk).update(cool_off_after=1, cool_off_seconds=600, **fields)
    return job


def due(job: Job) -> datetime:
    """Let one tick of the job be due, as if it had not been yet; which it is."""
    found = Cursor.objects.get(job=job)
    assert found.next_run_at is not None
    tick = found.next_run_at if found.next_run_at <= database_now() else found.next_run_at - MINUTE
    Cursor.objects.filter(job=job).update(next_run_at=tick, last_scheduled_for=None)
    ExecutionLog.objects.filter(job_id=job.pk).delete()
    return tick


def claim(session: Session) -> Claimed:
    with session.cursor() as cursor:
        (row,) = queue.claim(worker="w", limit=9, lease_seconds=60.0).on(cursor)
    return row


def ends(session: Session, row: Claimed, status: str) -> None:
    seconds = database_now().timestamp()
    end = end_of(row, status, started=seconds, finished=seconds)
    with session.cursor() as cursor:
        assert queue.complete([end]).on(cursor).completed == 1


def fold(leader: LeaderSession) -> None:
    assert OutcomeFold().run_once(leader).counts["notes"] == 1


def half_open(job: Job) -> None:
    Cursor.objects.filter(job=job).update(cool_off_until=database_now())


@pytest.mark.parametrize(("overlap", "fires"), [("skip", False), ("allow", True)])
def test_a_retry_that_comes_after_the_next_tick_is_still_an_overlap(
    leader: LeaderSession, session: Session, acme: Any, overlap: str, fires: bool
) -> None:
    job = make(acme, overlap=overlap)
    due(job)
    Dispatcher().run_once(leader)
    row = claim(session)
    seconds = database_now().timestamp()
    attempt: Failed = {
        "id": row.id,
        "token": row.token,
        "outcome": "failed",
        "error_message": "the server answered 503, expected 200 to 299",
        "started": seconds,
        "finished": seconds,
        "delay": 3600.0,  # as its Retry-After said
    }
    with session.cursor() as cursor:
        assert queue.retry([attempt], worker="w").on(cursor).moved == 1
    Execution.objects.update(scheduled_for=database_now() - HOUR)  # of an earlier tick
    tick = due(job)

    Dispatcher().run_once(leader)

    if fires:
        assert sorted(Execution.objects.values_list("attempt", flat=True)) == [0, 1]
        assert not Skip.objects.exists()
    else:
        assert Execution.objects.get().pk == row.id
        assert (Skip.objects.get().first, Skip.objects.get().reason) == (tick, "overlap")


@pytest.mark.parametrize("overlap", ["skip", "allow", "queue", "replace"])
def test_a_cool_off_from_its_beginning_to_its_end(
    leader: LeaderSession, session: Session, acme: Any, overlap: str
) -> None:
    job = make(acme, overlap=overlap)
    due(job)
    Dispatcher().run_once(leader)
    ends(session, claim(session), "failed")
    fold(leader)

    # Open: the tick is a skip that says until when.
    tick = due(job)
    Skip.objects.all().delete()
    Dispatcher().run_once(leader)
    assert not Execution.objects.exists()
    skip = Skip.objects.get()
    assert (skip.first, skip.reason) == (tick, "cool_off")
    cursor = Cursor.objects.get(job=job)
    assert cursor.cool_off_until is not None
    assert cursor.cool_off_until.strftime("%H:%M:%S") in skip.detail

    # Half open: one probe, and while it is live no other, whatever the overlap.
    half_open(job)
    due(job)
    Skip.objects.all().delete()
    Dispatcher().run_once(leader)
    probe = Execution.objects.get()
    Execution.objects.update(scheduled_for=database_now() - HOUR)
    tick = due(job)
    Dispatcher().run_once(leader)
    assert Execution.objects.get().pk == probe.pk
    assert (Skip.objects.get().first, Skip.objects.get().reason) == (tick, "overlap")

    # It fails: open again, for twice as long.
    ends(session, claim(session), "failed")
    fold(leader)
    cursor = Cursor.objects.get(job=job)
    assert cursor.cool_off_until is not None
    assert timedelta(minutes=19) < cursor.cool_off_until - database_now() <= timedelta(minutes=20)

    # Half open once more; this probe succeeds, and ticks run as ever.
    half_open(job)
    Skip.objects.all().delete()
    due(job)
    Dispatcher().run_once(leader)
    ends(session, claim(session), "success")
    fold(leader)
    assert Cursor.objects.get(job=job).cool_off_until is None
    due(job)
    Execution.objects.all().delete()
    Dispatcher().run_once(leader)
    assert Execution.objects.count() == 1
    assert not Skip.objects.exists()


def test_why_says_what_a_cool_off_did_and_will_do(leader: LeaderSession, session: Session, acme: Any) -> None:
    job = make(acme)
    due(job)
    Dispatcher().run_once(leader)
    ends(session, claim(session), "failed")
    fold(leader)
    Execution.objects.all().delete()
    tick = due(job)
    Skip.objects.all().delete()
    Dispatcher().run_once(leader)
    job = Job.objects.select_related("cursor").get(pk=job.pk)
    until = job.cursor.cool_off_until
    assert until is not None
    found = why_at(tenant=acme, job=job, at=tick)
    assert found.entries[0].skip is not None
    assert found.entries[0].skip.reason == "cool_off"
    to_come = why_between(tenant=acme, job=job, start=database_now() + MINUTE, until=until + HOUR)
    during, after = [sentence_of(entry, to_come.standing, to_come.circumstances) for entry in to_come.entries]
    assert during.startswith("To come, but the job cools off until")
    assert after == "To come."
    assert to_come.entries[0].last <= until < to_come.entries[1].first
