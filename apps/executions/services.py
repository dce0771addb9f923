"""Executions that somebody asks for, in the caller's scope and transaction. The schedule's own are made by dispatch."""

from __future__ import annotations

from typing import Protocol

from django.db import connection, transaction

from apps.executions.models import ExecutionLog
from apps.executions.queue import NewExecution, enqueue, notify_work
from apps.executions.states import Kind


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
    return _run_now(job, Kind.MANUAL, retry_of=None)


def execution_retry(*, execution: ExecutionLog, job: Runnable) -> int:
    """Run a finished execution's `job` again, as it is today; the new execution's id, which names the old one.

    Raises ValueError when `execution` is another job's.
    """
    if (execution.tenant_id, execution.job_id) != (job.tenant_id, job.id):
        raise ValueError(f"execution {execution.pk} is not of job {job.id}")
    return _run_now(job, Kind.RETRY, retry_of=execution.pk)


def _run_now(job: Runnable, kind: Kind, *, retry_of: int | None) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
        row = NewExecution(
            tenant_id=job.tenant_id,
            job_id=job.id,
            job_name=job.name,
            user_id=job.user_id,
            legacy_user_id=job.legacy_user_id,
            kind=kind.value,
            scheduled_for=now,
            run_at=now,
            task_type=job.task_type,
            target=job.target,
            content_version=job.content_version,
            timeout_seconds=job.timeout_seconds,
            max_attempts=job.max_attempts,
            retry_delay_seconds=job.retry_delay_seconds,
            retry_max_delay_seconds=job.retry_max_delay_seconds,
            priority=job.priority,
            retry_of=retry_of,
        )
        (execution_id,) = enqueue(cursor, [row])
        notify_work(cursor)
    return execution_id
