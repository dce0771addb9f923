"""Executions that somebody asks for, in the caller's scope and transaction. The schedule's own are made by dispatch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from django.db import connection, transaction

from apps.executions.models import Execution, ExecutionLog
from apps.executions.queue import NewExecution, enqueue
from apps.executions.states import Kind

# Lowers a backfill below every priority a job may have (-100 to 100), and keeps the order among backfills.
BACKFILL_BEHIND = 201


class Runnable(Protocol):
    """What is copied of a job onto its execution. Durations in seconds."""

    @property
    def id(self) -> int: ...
    @property
    def tenant_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def legacy_user_id(self) -> int | None: ...
    @property
    def task_type(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def content_version(self) -> int: ...
    @property
    def timeout_seconds(self) -> int: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def retry_delay_seconds(self) -> int: ...
    @property
    def retry_max_delay_seconds(self) -> int: ...
    @property
    def priority(self) -> int: ...


def execution_trigger(*, job: Runnable) -> int:
    """Run `job` now, beside its schedule; the new execution's id."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = _now(cursor)
        row = _execution(job, Kind.MANUAL, scheduled_for=now, run_at=now, priority=job.priority)
        (execution_id,) = enqueue(cursor, [row])
    return execution_id


def execution_retry(*, execution: ExecutionLog, job: Runnable) -> int:
    """Run a finished execution's `job` again, as it is today; the new execution's id, which names the old one.

    Raises ValueError when `execution` is another job's.
    """
    return executions_retry(pairs=[(execution, job)])[execution.pk]


def executions_retry(*, pairs: Sequence[tuple[ExecutionLog, Runnable]]) -> dict[int, int]:
    """`execution_retry` for many different ones, in one statement; the new executions' ids by the old ones'."""
    for execution, job in pairs:
        _refuse_another_jobs(execution, job)
    with transaction.atomic(), connection.cursor() as cursor:
        now = _now(cursor)
        rows = [
            _execution(
                job, Kind.RETRY, scheduled_for=now, run_at=now, priority=job.priority, retry_of=execution.pk
            )
            for execution, job in pairs
        ]
        made = enqueue(cursor, rows)
        # Read before the commit: after it a worker may have taken them, and finished them.
        return {row.retry_of: row.pk for row in Execution.objects.filter(pk__in=made) if row.retry_of}


def executions_backfill(
    *, job: Runnable, times: Sequence[datetime], start: datetime, pace: timedelta
) -> list[int]:
    """Run `job` for nominal `times` of its past, the first from `start` on and each `pace` after the one before.

    The caller holds the job's cursor and has seen that none of `times` has an execution. They wait behind every run of
    a schedule. The ids of those made.
    """
    rows = [
        _execution(
            job,
            Kind.BACKFILL,
            scheduled_for=time,
            run_at=start + number * pace,
            priority=job.priority - BACKFILL_BEHIND,
        )
        for number, time in enumerate(times)
    ]
    with connection.cursor() as cursor:
        made = sorted(enqueue(cursor, rows))
    return made


def _refuse_another_jobs(execution: ExecutionLog, job: Runnable) -> None:
    if (execution.tenant_id, execution.job_id) != (job.tenant_id, job.id):
        raise ValueError(f"execution {execution.pk} is not of job {job.id}")


def _now(cursor: Any) -> datetime:
    cursor.execute("SELECT clock_timestamp()")
    return cast(datetime, cursor.fetchone()[0])


def _execution(
    job: Runnable,
    kind: Kind,
    *,
    scheduled_for: datetime,
    run_at: datetime,
    priority: int,
    retry_of: int | None = None,
) -> NewExecution:
    return NewExecution(
        tenant_id=job.tenant_id,
        job_id=job.id,
        job_name=job.name,
        user_id=job.user_id,
        legacy_user_id=job.legacy_user_id,
        kind=kind.value,
        scheduled_for=scheduled_for,
        run_at=run_at,
        task_type=job.task_type,
        target=job.target,
        content_version=job.content_version,
        timeout_seconds=job.timeout_seconds,
        max_attempts=job.max_attempts,
        retry_delay_seconds=job.retry_delay_seconds,
        retry_max_delay_seconds=job.retry_max_delay_seconds,
        priority=priority,
        retry_of=retry_of,
    )
