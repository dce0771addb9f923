"""A job that fails too often in a row is left alone for a while, then tried once: opened, half open, closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import transaction

from apps.executions import queue
from apps.executions.models import Execution, OutcomeNote
from apps.executions.reaper import Reaper
from apps.jobs import runs, selectors, services
from apps.jobs.interventions import intervention_summary, intervention_tasks
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.leaders import UNHURRIED
from tests.workers import Session, execution, put

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    with all_tenants_scope():
        yield session
    session.close(reason="test over")


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as session:
        yield session


@pytest.fixture
def job(acme: Any, leader: LeaderSession) -> Job:
    """Every hour; three failures in a row, then a minute."""
    made = services.job_create(
        tenant=acme,
        spec=JobSpec(
            name="a job",
            trigger=TriggerSpec(trigger_type="interval", interval_seconds=3600),
            target="http_check",
            payload={"url": "https://shop.example/"},
            user_id="u-1",
        ),
        actor="tests",
    )
    Job.objects.filter(pk=made.pk).update(cool_off_after=3, cool_off_seconds=60)
    return made


def note(job: Job, status: str, when: datetime, *, successes: int = 0, failures: int = 0,
         trailing: int | None = None) -> None:  # fmt: skip
    """One flush's word on a job. Without figures it is of one execution."""
    if not successes and not failures:
        successes, failures = int(status == "success"), int(status == "failed")
    OutcomeNote.objects.create(
        tenant_id=job.tenant_id,
        job_id=job.pk,
        execution_id=1,
        status=status,
        error_message="it broke" if status == "failed" else None,
        finished_at=when,
        successes=successes,
        failures=failures,
        trailing_failures=failures if trailing is None else trailing,
    )


def tick(job: Job, **fields: Any) -> queue.NewExecution:
    """A dispatched time of the job; its content is beside what the job's own edits make."""
    row = execution(job.tenant, job_id=job.pk, **fields)
    return replace(row, content_version=row.content_version + 1000)


def fold(leader: LeaderSession) -> dict[str, int]:
    return dict(OutcomeFold().run_once(leader).counts)


def fail(leader: LeaderSession, job: Job, times: int = 1) -> Cursor:
    """So many failures that end now, each told by itself."""
    for _ in range(times):
        note(job, "failed", database_now())
        fold(leader)
    return cursor_of(job)


def cursor_of(job: Job) -> Cursor:
    return Cursor.objects.get(job=job)


def status(job: Job) -> str:
    found: Any = selectors.job_of(job.tenant, job.pk)
    return str(found.status)


def end_of_time(job: Job) -> datetime:
    """Let the cool-off be over, a moment ago; when that was."""
    until = database_now()
    Cursor.objects.filter(job=job).update(cool_off_until=until)
    return until


def length(cursor: Cursor) -> float:
    assert cursor.cool_off_until is not None
    return (cursor.cool_off_until - database_now()).total_seconds()


# -- opening -----------------------------------------------------------------------------------------------------------


def test_as_many_failures_as_the_job_allows_open_it(leader: LeaderSession, job: Job) -> None:
    cursor = fail(leader, job, times=2)
    assert (cursor.cool_off_until, cursor.cool_offs, status(job)) == (None, 0, "failed")

    cursor = fail(leader, job)

    assert 50 < length(cursor) <= 60
    assert (cursor.cool_offs, cursor.consecutive_failures) == (1, 3)
    assert status(job) == "needs_intervention"
    line = SchedulerEvent.objects.filter(event_type="job_failed").latest("id")
    assert cursor.cool_off_until is not None
    assert line.event_data == {
        "job_name": "a job",
        "count": 1,
        "consecutive_failures": 3,
        "cool_off_until": cursor.cool_off_until.isoformat(),
        "cool_offs": 1,
    }
    (task,) = intervention_tasks(job.tenant, "u-1")
    assert (task["task_id"], task["cool_off_until"]) == (job.pk, cursor.cool_off_until)
    assert intervention_summary(job.tenant, "u-1")["critical_failures"] == 1


def test_failures_told_together_open_one(leader: LeaderSession, job: Job) -> None:
    now = database_now()
    for n in range(4):
        note(job, "failed", now - n * SECOND)
    assert fold(leader)["cool_offs"] == 1
    assert (cursor_of(job).consecutive_failures, cursor_of(job).cool_offs) == (4, 1)


def test_zero_is_never(leader: LeaderSession, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(cool_off_after=0)
    cursor = fail(leader, job, times=9)
    assert (cursor.cool_off_until, cursor.cool_offs, cursor.consecutive_failures) == (None, 0, 9)
    assert status(job) == "needs_intervention"  # it runs on, and fails every time


def test_what_a_person_stopped_does_not_count(leader: LeaderSession, job: Job) -> None:
    fail(leader, job, times=2)
    for _ in range(3):
        note(job, "failed", database_now(), failures=1, trailing=0)
        fold(leader)
    assert (cursor_of(job).cool_off_until, cursor_of(job).consecutive_failures) == (None, 2)


def test_what_a_person_stopped_neither_opens_one_nor_is_it_a_probe(leader: LeaderSession, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(cool_off_after=0)
    fail(leader, job, times=3)
    Job.objects.filter(pk=job.pk).update(cool_off_after=3)  # by an edit: there are as many failures already
    note(job, "failed", database_now(), failures=1, trailing=0)
    fold(leader)
    assert cursor_of(job).cool_off_until is None
    fail(leader, job)
    assert cursor_of(job).cool_offs == 1
    until = end_of_time(job)
    note(job, "failed", database_now(), failures=1, trailing=0)
    fold(leader)
    assert (cursor_of(job).cool_off_until, cursor_of(job).cool_offs) == (until, 1)


def test_what_was_under_way_makes_it_no_longer(leader: LeaderSession, job: Job) -> None:
    until = fail(leader, job, times=3).cool_off_until
    cursor = fail(leader, job, times=5)
    assert (cursor.cool_off_until, cursor.cool_offs, cursor.consecutive_failures) == (until, 1, 8)


# -- half open ---------------------------------------------------------------------------------------------------------


def test_each_failed_probe_opens_one_twice_as_long_up_to_a_day(leader: LeaderSession, job: Job) -> None:
    fail(leader, job, times=3)
    lengths = []
    for _ in range(13):
        end_of_time(job)
        lengths.append(length(fail(leader, job)))
    expected = [min(60 * 2**n, 86_400) for n in range(1, 14)]
    assert lengths == [pytest.approx(seconds, abs=5) for seconds in expected]
    assert cursor_of(job).cool_offs == 14


def test_a_failure_from_before_its_end_that_is_told_after_it_is_no_probes(
    leader: LeaderSession, job: Job
) -> None:
    fail(leader, job, times=3)
    until = end_of_time(job)
    note(job, "failed", until - SECOND)
    fold(leader)
    cursor = cursor_of(job)
    assert (cursor.cool_off_until, cursor.cool_offs, cursor.consecutive_failures) == (until, 1, 4)


def test_the_probes_success_closes_it_and_the_journal_says_so_at_once(
    leader: LeaderSession, job: Job
) -> None:
    note(job, "success", database_now())
    fold(leader)  # a completion that is in the journal, so that the next one would not be for a minute
    fail(leader, job, times=3)
    end_of_time(job)
    note(job, "success", database_now())
    fold(leader)
    cursor = cursor_of(job)
    assert (cursor.cool_off_until, cursor.cool_offs, cursor.consecutive_failures) == (None, 0, 0)
    assert status(job) == "active"
    last = SchedulerEvent.objects.filter(event_type="job_completed").latest("id")
    assert last.event_data == {"job_name": "a job", "count": 1, "cool_off_closed": True}
    cursor = fail(leader, job, times=3)
    assert length(cursor) <= 60, "the next series begins with a short one again"


def test_a_probe_that_loses_its_worker_is_still_the_probe(
    leader: LeaderSession, session: Session, acme: Any, job: Job
) -> None:
    fail(leader, job, times=3)
    until = end_of_time(job)
    (probe,) = put(session, acme, tick(job))
    for losses in (1, 2):
        with session.cursor() as cursor:
            assert [row.id for row in queue.claim(worker="w", limit=1, lease_seconds=0.0).on(cursor)] == [
                probe
            ]
        assert Reaper().run_once(leader).counts["reaped"] == 1
        fold(leader)
        assert (cursor_of(job).cool_off_until, Execution.objects.get().lost) == (until, losses)
    with session.cursor() as cursor:
        queue.claim(worker="w", limit=1, lease_seconds=0.0).on(cursor)
    Reaper().run_once(leader)
    fold(leader)
    assert (cursor_of(job).cool_offs, Execution.objects.exists()) == (2, False)
    assert 110 < length(cursor_of(job)) <= 120


# -- out of order ------------------------------------------------------------------------------------------------------


def test_a_late_success_closes_it_only_if_nothing_failed_since(leader: LeaderSession, job: Job) -> None:
    before = database_now()
    cursor = fail(leader, job, times=3)
    note(job, "success", before)
    fold(leader)
    assert (cursor_of(job).cool_off_until, cursor_of(job).cool_offs) == (cursor.cool_off_until, 1)

    note(job, "success", database_now())
    fold(leader)
    assert (cursor_of(job).cool_off_until, cursor_of(job).cool_offs) == (None, 0)


def test_in_one_fold_the_order_is_that_of_the_ends(leader: LeaderSession, job: Job) -> None:
    fail(leader, job, times=3)
    end_of_time(job)
    now = database_now()
    note(job, "success", now + 2 * SECOND)
    note(job, "failed", now + SECOND)
    fold(leader)
    assert (cursor_of(job).cool_off_until, cursor_of(job).consecutive_failures) == (None, 0)

    note(job, "failed", now + 9 * SECOND, successes=1, failures=3)
    note(job, "success", now + 5 * SECOND)
    fold(leader)
    assert cursor_of(job).cool_offs == 1
    assert 50 < length(cursor_of(job)) <= 60


# -- what waits --------------------------------------------------------------------------------------------------------


def waiting(job: Job, *ids: int) -> list[datetime]:
    rows = Execution.objects.filter(job_id=job.pk, pk__in=ids).order_by("pk")
    return [row.run_at for row in rows]


def test_dispatched_ticks_wait_for_its_end_and_follow_one_another(
    leader: LeaderSession, session: Session, acme: Any, job: Job
) -> None:
    Job.objects.filter(pk=job.pk).update(misfire_pace_seconds=7)
    ticks = [tick(job, job_name=f"tick {n}") for n in range(3)][::-1]  # oldest first
    asked = tick(job, kind="manual")
    tried = tick(job)
    other = execution(acme)
    held = put(session, acme, *ticks)
    free = put(session, acme, asked, tried, other)
    Execution.objects.filter(pk=free[1]).update(attempt=1)
    before = dict(Execution.objects.filter(pk__in=free).values_list("pk", "run_at"))

    until = fail(leader, job, times=3).cool_off_until

    assert until is not None
    assert waiting(job, *held) == [until, until + 7 * SECOND, until + 14 * SECOND]
    assert set(Execution.objects.filter(pk__in=held).values_list("rank", flat=True)) == {None}
    assert dict(Execution.objects.filter(pk__in=free).values_list("pk", "run_at")) == before
    with session.cursor() as cursor:
        assert {row.id for row in queue.claim(worker="w", limit=9, lease_seconds=9).on(cursor)} == set(free)

    # The first of them is the probe. It fails, and the others go on waiting.
    Execution.objects.filter(pk=held[0]).delete()
    end_of_time(job)
    until = fail(leader, job).cool_off_until
    assert until is not None
    assert waiting(job, *held[1:]) == [until, until + 7 * SECOND]

    note(job, "success", database_now())
    fold(leader)
    assert waiting(job, *held[1:])[0] <= database_now()
    assert waiting(job, *held[1:])[1] <= database_now() + 7 * SECOND


def test_a_manual_run_lets_them_go(leader: LeaderSession, session: Session, acme: Any, job: Job) -> None:
    (held,) = put(session, acme, tick(job))
    fail(leader, job, times=3)
    assert waiting(job, held)[0] > database_now()
    runs.job_run_now(tenant=acme, job_id=job.pk, actor="tests")
    assert waiting(job, held)[0] <= database_now()


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_manual_run_is_the_probe(leader: LeaderSession, acme: Any, job: Job) -> None:
    fail(leader, job, times=3)
    runs.job_run_now(tenant=acme, job_id=job.pk, actor="tests")
    half_open = cursor_of(job).cool_off_until
    assert half_open is not None
    assert half_open <= database_now()
    assert 110 < length(fail(leader, job)) <= 120


def test_a_manual_run_and_a_fold_that_meet(leader: LeaderSession, acme: Any, job: Job) -> None:
    fail(leader, job, times=3)
    with transaction.atomic():
        note(job, "failed", database_now())
    with transaction.atomic():
        runs.job_run_now(tenant=acme, job_id=job.pk, actor="tests")
        with pytest.raises(psycopg.errors.LockNotAvailable):  # the leader does not wait, it comes again
            OutcomeFold().run_once(leader)
        note(job, "failed", database_now() - HOUR)
    half_open = cursor_of(job).cool_off_until
    fold(leader)
    cursor = cursor_of(job)
    # Both had failed before somebody asked for another try.
    assert (cursor.cool_off_until, cursor.cool_offs, cursor.consecutive_failures) == (half_open, 1, 5)


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"payload": {"url": "https://shop.example/now"}}, True),
        ({"name": "another name"}, False),
        ({"priority": 7}, False),
    ],
)
def test_an_edit_of_what_runs_ends_it_and_forgets(
    leader: LeaderSession, acme: Any, job: Job, changes: dict[str, Any], ends: bool
) -> None:
    fail(leader, job, times=3)
    end_of_time(job)
    until = fail(leader, job).cool_off_until
    services.job_update(tenant=acme, job_id=job.pk, changes=changes, actor="tests")
    cursor = cursor_of(job)
    assert cursor.cool_off_until is not None
    if not ends:
        assert (cursor.cool_off_until, cursor.cool_offs) == (until, 2)
        return
    assert (cursor.cool_off_until <= database_now(), cursor.cool_offs) == (True, 0)
    assert 50 < length(fail(leader, job)) <= 60, "one failure is enough, and the first one is short again"


def test_a_resume_ends_it_and_leaves_the_schedule_where_it_is(
    leader: LeaderSession, acme: Any, job: Job
) -> None:
    due = cursor_of(job).next_run_at
    fail(leader, job, times=3)
    resumed = services.job_resume(tenant=acme, job_id=job.pk, actor="tests", reason="fixed")
    cursor = cursor_of(job)
    assert cursor.cool_off_until is not None
    assert (cursor.cool_off_until <= database_now(), cursor.cool_offs, cursor.next_run_at) == (True, 0, due)
    assert (cursor.version, AuditEntry.objects.filter(action="job.resume").count()) == (resumed.version, 1)
    again = services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    assert again.version == resumed.version


def test_when_it_is_over_nobody_is_called_before_the_probe_has_ended(
    leader: LeaderSession, acme: Any, job: Job
) -> None:
    Job.objects.filter(pk=job.pk).update(cool_off_after=1)
    fail(leader, job)
    assert len(intervention_tasks(acme, "u-1")) == 1
    Cursor.objects.filter(job=job).update(cool_off_until=datetime.now(UTC) - HOUR)
    assert (intervention_tasks(acme, "u-1"), status(job)) == ([], "failed")
