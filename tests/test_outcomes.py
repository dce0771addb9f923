"""The fold of outcomes: cursors learn how executions ended, in whatever order the notes arrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.executions.models import OutcomeNote
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession, TermLost
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.leaders import UNHURRIED

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    with all_tenants_scope():
        yield session
    session.close(reason="test over")


@pytest.fixture
def job(acme: Any, leader: LeaderSession) -> Job:
    return make(acme, "a job")


def make(tenant: Any, name: str) -> Job:
    job = Job.objects.create(
        tenant=tenant,
        name=name,
        trigger_type="manual",
        target="tests.noop",
        task_type="report",
        user_id="u-1",
    )
    Cursor.objects.create(job=job, tenant=tenant)
    return job


def note(
    job: Job, when: int, status: str, *, successes: int = 0, failures: int = 0, trailing: int | None = None
) -> None:
    """One flush's word on a job. Without figures it is of one execution."""
    if not successes and not failures:
        successes, failures = int(status == "success"), int(status == "failed")
    OutcomeNote.objects.create(
        tenant_id=job.tenant_id,
        job_id=job.pk,
        execution_id=1,
        status=status,
        error_message=f"it broke at {when}" if status == "failed" else None,
        finished_at=at(when),
        successes=successes,
        failures=failures,
        trailing_failures=failures if trailing is None else trailing,
    )


def cursor_of(job: Job) -> Cursor:
    return Cursor.objects.get(job=job)


def events(kind: str) -> list[SchedulerEvent]:
    return list(SchedulerEvent.objects.filter(event_type=kind).order_by("id"))


def test_a_success_is_told_to_the_cursor_and_the_note_is_gone(leader: LeaderSession, job: Job) -> None:
    note(job, 1, "success")

    result = OutcomeFold().run_once(leader)

    cursor = cursor_of(job)
    assert (cursor.last_status, cursor.last_finished_at) == ("success", at(1))
    assert (cursor.last_success_at, cursor.last_failure_at, cursor.consecutive_failures) == (at(1), None, 0)
    assert result.counts["notes"] == 1
    assert not OutcomeNote.objects.exists()


def test_failures_add_up_over_folds_and_a_success_ends_them(leader: LeaderSession, job: Job) -> None:
    fold = OutcomeFold()
    counted = []
    for when, status in enumerate(["failed", "failed", "failed", "success", "failed"]):
        note(job, when, status)
        fold.run_once(leader)
        counted.append(cursor_of(job).consecutive_failures)

    assert counted == [1, 2, 3, 0, 1]
    cursor = cursor_of(job)
    assert (cursor.failure_reason, cursor.last_failure_at) == ("it broke at 4", at(4))
    assert cursor.last_success_at == at(3)


def test_notes_of_one_fold_count_in_the_order_in_which_executions_finished(
    leader: LeaderSession, job: Job
) -> None:
    note(job, 5, "failed")
    note(job, 2, "failed")
    note(job, 3, "success", successes=2, failures=1, trailing=0)
    note(job, 6, "failed", successes=1, failures=2, trailing=2)

    OutcomeFold().run_once(leader)

    cursor = cursor_of(job)
    assert (cursor.last_status, cursor.consecutive_failures) == ("failed", 2)
    assert (cursor.last_finished_at, cursor.failure_reason) == (at(6), "it broke at 6")


def test_a_late_success_does_not_hide_a_newer_failure(leader: LeaderSession, job: Job) -> None:
    fold = OutcomeFold()
    note(job, 10, "failed")
    fold.run_once(leader)
    note(job, 5, "success")
    fold.run_once(leader)

    cursor = cursor_of(job)
    assert (cursor.last_status, cursor.last_finished_at, cursor.consecutive_failures) == ("failed", at(10), 1)
    assert cursor.last_success_at == at(5)


def test_a_late_failure_does_not_count_after_a_newer_success(leader: LeaderSession, job: Job) -> None:
    fold = OutcomeFold()
    note(job, 10, "success")
    fold.run_once(leader)
    note(job, 5, "failed")
    fold.run_once(leader)

    cursor = cursor_of(job)
    assert (cursor.last_status, cursor.consecutive_failures) == ("success", 0)
    assert (cursor.last_failure_at, cursor.failure_reason) == (at(5), "it broke at 5")


def test_failures_are_always_in_the_journal(leader: LeaderSession, job: Job) -> None:
    fold = OutcomeFold()
    for when in range(3):
        note(job, when, "failed")
        fold.run_once(leader)

    lines = events("job_failed")
    assert [line.event_data["consecutive_failures"] for line in lines if line.event_data] == [1, 2, 3]
    assert lines[-1].error_message == "it broke at 2"
    assert (lines[-1].tenant_id, lines[-1].job_id, lines[-1].job_type) == (job.tenant_id, job.pk, "report")
    assert (lines[-1].user_id, lines[-1].epoch) == ("u-1", leader.epoch)


def test_completions_are_in_the_journal_at_most_once_a_minute_with_their_count(
    leader: LeaderSession, job: Job
) -> None:
    fold = OutcomeFold()
    for when in range(4):
        note(job, when, "success", successes=10)
        fold.run_once(leader)
    assert [line.event_data for line in events("job_completed")] == [{"job_name": "a job", "count": 10}]
    Cursor.objects.update(journaled_at=datetime.now(UTC) - timedelta(minutes=2))
    note(job, 9, "success")
    fold.run_once(leader)

    assert [(line.event_data or {})["count"] for line in events("job_completed")] == [10, 31]


def test_batches_go_on_until_no_note_is_left(acme: Any, leader: LeaderSession) -> None:
    jobs = [make(acme, f"job {n}") for n in range(5)]
    for when, job in enumerate(jobs):
        note(job, when, "success")
    fold = OutcomeFold(batch=2)

    results = [fold.run_once(leader) for _ in range(4)]

    assert [(result.counts.get("notes", 0), result.again) for result in results] == [
        (2, True),
        (2, True),
        (1, False),
        (0, False),
    ]
    assert {cursor_of(job).last_status for job in jobs} == {"success"}


def test_a_term_that_is_over_folds_nothing(leader: LeaderSession, job: Job) -> None:
    note(job, 1, "success")
    with machine.connect(application_name="usurper") as usurper:
        usurper.execute("UPDATE leadership_leaderterm SET ended_at = clock_timestamp()")

    with pytest.raises(TermLost):
        OutcomeFold().run_once(leader)

    assert OutcomeNote.objects.count() == 1
    assert cursor_of(job).last_status is None
