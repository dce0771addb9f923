"""Logs and events as dashboards know them. The keys and types are a contract: additions are welcome, nothing else.

A *log* is one of four things: a finished execution, a running one, a range of skipped times, or an event of a job. Each
has a function here; all of them take a whole page and ask the database the same few questions whatever its length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.dashboard import selectors
from apps.executions.models import Attempt, Execution, ExecutionLog, ExecutionOutput, Skip
from apps.executions.states import State
from apps.jobs.models import Job
from apps.jobs.payloads import frequency
from apps.leadership.models import SchedulerEvent
from apps.tenants.identity import canonical_ids
from apps.tenants.models import Tenant

FINISHED = "finished"  # beside the states of a live row
EVENT_STATUS = {
    SchedulerEvent.Type.JOB_COMPLETED.value: "success",
    SchedulerEvent.Type.JOB_FAILED.value: "failed",
    SchedulerEvent.Type.JOB_SCHEDULED.value: "running",
    SchedulerEvent.Type.JOB_CANCELLED.value: "skipped",
}
_NULLABLE_OF_EVENT = (
    "check_cycle_number",
    "check_interval_minutes",
    "previous_interval_minutes",
    "new_interval_minutes",
    "tasks_found",
    "tasks_executed",
    "tasks_failed",
    "tasks_by_type",
    "check_duration_seconds",
    "active_strategies_count",
    "active_executions",
)


def finished_logs(tenant: Tenant, rows: Sequence[ExecutionLog]) -> list[dict[str, Any]]:
    """Rows of the ledger, with what each run returned or the first line of what it raised."""
    outputs = selectors.outputs_of(tenant, rows)
    jobs = selectors.jobs_by_id(tenant, [row.job_id for row in rows])
    return [
        _finished(row, jobs.get(row.job_id or 0), user_id, outputs.get(row.pk, {}))
        for row, user_id in zip(rows, _users(tenant, rows), strict=True)
    ]


def running_logs(tenant: Tenant, rows: Sequence[Execution]) -> list[dict[str, Any]]:
    """Live rows. One that still waits is shown as running too, for lack of a word; its `state` says pending."""
    jobs = selectors.jobs_by_id(tenant, [row.job_id for row in rows])
    return [
        _execution(row, jobs.get(row.job_id), user_id)
        | {
            "execution_date": row.leased_at or row.run_at,
            "status": "running",
            "attempt": row.attempt,
            "state": State(row.state).value,
        }
        for row, user_id in zip(rows, _users(tenant, rows), strict=True)
    ]


def skipped_logs(tenant: Tenant, rows: Sequence[Skip]) -> list[dict[str, Any]]:
    """Ranges. A skip is no execution: its id is negative, so that it never equals one's."""
    jobs = selectors.jobs_by_id(tenant, [row.job_id for row in rows])
    users = canonical_ids(tenant.pk, [_ids_of(jobs.get(row.job_id)) for row in rows])
    return [
        _log(
            id=-row.pk,
            job_id=row.job_id,
            user_id=user_id,
            execution_date=row.first,
            status="skipped",
            error_message=row.detail or None,
            created_at=row.created_at,
            task=_task(row.job_id, jobs.get(row.job_id)),
            scheduled_for=row.first,
            scheduled_until=row.last,
            epoch=row.epoch,
            reason=row.reason,
            count=row.count,
        )
        for row, user_id in zip(rows, users, strict=True)
    ]


def event_logs(tenant: Tenant, rows: Sequence[SchedulerEvent]) -> list[dict[str, Any]]:
    """Events of jobs in the shape of logs."""
    jobs = selectors.jobs_by_id(tenant, [row.job_id for row in rows])
    return [
        _log(
            id=f"scheduler_event_{row.pk}",
            job_id=row.job_id,
            user_id=user_id,
            execution_date=row.event_date,
            status=EVENT_STATUS[row.event_type],
            error_message=row.error_message,
            result_data=row.event_data,
            created_at=row.created_at,
            task=_task(row.job_id, jobs.get(row.job_id or 0), task_type=row.job_type or ""),
            is_scheduler_log=True,
            event_type=row.event_type,
            epoch=row.epoch,
        )
        for row, user_id in zip(rows, _users(tenant, rows), strict=True)
    ]


def event_payloads(tenant: Tenant, rows: Sequence[SchedulerEvent]) -> list[dict[str, Any]]:
    """The journal's lines; null where a key does not apply to the type."""
    return [
        {
            "id": row.pk,
            "event_type": row.event_type,
            "event_date": row.event_date,
            **{name: getattr(row, name) for name in _NULLABLE_OF_EVENT},
            "job_id": _text(row.job_id),
            "job_type": row.job_type,
            "user_id": user_id,
            "event_data": row.event_data,
            "error_message": row.error_message,
            "created_at": row.created_at,
            "epoch": row.epoch,
        }
        for row, user_id in zip(rows, _users(tenant, rows), strict=True)
    ]


def execution_payload(
    tenant: Tenant,
    row: ExecutionLog | Execution,
    attempts: Sequence[Attempt],
    output: ExecutionOutput | None,
) -> dict[str, Any]:
    """One execution, finished or live, with its tries and all that it returned or raised."""
    [payload] = finished_logs(tenant, [row]) if isinstance(row, ExecutionLog) else running_logs(tenant, [row])
    tries = [
        {
            "attempt": one.attempt,
            "outcome": one.outcome,
            "started_at": one.started_at,
            "finished_at": one.finished_at,
            "worker": one.worker,
            "error_message": one.error_message,
        }
        for one in attempts
    ]
    shown = None if output is None else {"result": output.result, "error_text": output.error_text}
    return payload | {"attempts": tries, "output": shown}


def _finished(
    row: ExecutionLog, job: Job | None, user_id: str | None, output: Mapping[str, Any]
) -> dict[str, Any]:
    return _execution(row, job, user_id) | {
        "execution_date": row.started_at or row.run_at,
        "status": row.status,
        "error_message": output.get("error_line") or row.error_message,
        "execution_time_ms": row.execution_time_ms,
        "result_data": output.get("result"),
        "attempt": row.attempts,
        "state": FINISHED,
    }


def _execution(row: ExecutionLog | Execution, job: Job | None, user_id: str | None) -> dict[str, Any]:
    return _log(
        id=row.pk,
        job_id=row.job_id,
        user_id=user_id,
        created_at=row.created_at,
        task=_task(row.job_id, job, row.job_name, row.target, row.task_type),
        scheduled_for=row.scheduled_for,
        scheduled_until=row.scheduled_for,
        run_at=row.run_at,
        epoch=row.epoch,
        worker=row.worker,
        kind=row.kind,
        retry_of=row.retry_of,
    )


def _log(*, job_id: int | None, task: dict[str, Any], **known: Any) -> dict[str, Any]:
    return {
        "id": None,
        "task_id": job_id,
        "user_id": None,
        "execution_date": None,
        "status": None,
        "error_message": None,
        "execution_time_ms": None,
        "result_data": None,
        "created_at": None,
        "task": task,
        "is_scheduler_log": False,
        "event_type": None,
        "job_id": _text(job_id),
        # Ours.
        "scheduled_for": None,
        "scheduled_until": None,
        "run_at": None,
        "attempt": None,
        "epoch": None,
        "reason": None,
        "worker": None,
        "kind": None,
        "retry_of": None,
        "count": 1,
        "state": None,
    } | known


def _task(
    job_id: int | None, job: Job | None, title: str = "", component: str = "", task_type: str = ""
) -> dict[str, Any]:
    """What ran. The execution's own copy of a name counts where it has one: the job may be called otherwise by now."""
    return {
        "id": job_id,
        "task_title": title or (job.name if job else f"job {job_id}"),
        "component_name": component or (job.target if job else ""),
        "metric": task_type or (job.task_type if job else ""),
        "frequency": frequency(job) if job else "",
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _users(tenant: Tenant, rows: Sequence[Any]) -> list[str | None]:
    return canonical_ids(tenant.pk, [(row.user_id, row.legacy_user_id) for row in rows])


def _ids_of(job: Job | None) -> tuple[str | None, int | None]:
    return (job.user_id, job.legacy_user_id) if job else (None, None)
