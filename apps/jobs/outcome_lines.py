"""The journal's lines on how executions ended, and on what the leader did about it."""

from __future__ import annotations

from typing import Any

from apps.jobs.rows import JobOutcome, Told
from apps.jobs.statements import Session
from apps.jobs.states import ENDPOINT_GONE
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent

Data = dict[str, Any]


def failed(cursor: Session, job: Told, outcome: JobOutcome, epoch: int) -> None:
    """Says as well until when the job is left alone, if that has just begun."""
    data: Data = {"count": outcome.failures, "consecutive_failures": job.consecutive_failures}
    if job.cools_off and job.cool_off_until is not None:
        data |= {"cool_off_until": job.cool_off_until.isoformat(), "cool_offs": job.cool_offs}
    _line(cursor, SchedulerEvent.Type.JOB_FAILED, job, epoch, data, error_message=outcome.reason)


def completed(cursor: Session, job: Told, count: int, epoch: int) -> None:
    """`count` completions since the last such line; says as well if they closed the job's cool-off."""
    data: Data = {"count": count}
    if job.recovered:
        data["cool_off_closed"] = True
    _line(cursor, SchedulerEvent.Type.JOB_COMPLETED, job, epoch, data)


def paused(cursor: Session, job: Told, epoch: int) -> None:
    """The line that `job_pause` writes, of the scheduler's own."""
    data: Data = {"action": "job.pause", "reason": ENDPOINT_GONE}
    _line(cursor, SchedulerEvent.Type.JOB_CANCELLED, job, epoch, data)


def _line(
    cursor: Session,
    event_type: str,
    job: Told,
    epoch: int,
    data: Data,
    error_message: str | None = None,
) -> None:
    event_insert(
        cursor,
        event_type=event_type,
        tenant_id=job.tenant_id,
        epoch=epoch,
        job_id=job.job_id,
        job_type=job.task_type,
        user_id=job.user_id,
        legacy_user_id=job.legacy_user_id,
        error_message=error_message,
        event_data={"job_name": job.name, **data},
    )
