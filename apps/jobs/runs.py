"""What a person does with one execution or job: cancels the one, runs the other now.

Each is one transaction in the tenant's scope with an audit entry. Whether the person may see it is for the caller to
find out.
"""

from __future__ import annotations

from django.db import connection, transaction

from apps.executions.cancellation import Cancelled, cancel
from apps.executions.models import Execution, ExecutionLog
from apps.executions.services import execution_trigger
from apps.executions.states import Outcome
from apps.jobs.announcements import announce
from apps.jobs.cool_off import end_cool_off
from apps.jobs.editing import locked
from apps.jobs.fields import reason_text
from apps.jobs.quotas import request_executions
from apps.jobs.recording import state_of
from apps.jobs.schedules import database_now
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import audit


class AlreadyFinished(Exception):
    """The execution is not live any more: it has finished, or another cancelled it first."""


def run_cancel(
    *, tenant: Tenant, execution: Execution | ExecutionLog, actor: str, by: str, reason: str = ""
) -> Cancelled:
    """Take a live execution out of the queue; it ends in the ledger as failed, cancelled by the user `by`.

    Its worker's lease is gone with it: the worker stops the work, and nothing that it still says counts. Raises
    AlreadyFinished, JobRefused (the reason).
    """
    reason = reason_text(reason)
    with tenant_scope(tenant), transaction.atomic(), connection.cursor() as cursor:
        words = f"Cancelled by {by}: {reason}" if reason else None
        done = cancel(
            cursor,
            tenant_id=tenant.pk,
            execution_id=execution.pk,
            sentence=f"Cancelled by {by}.",
            words=words,
        )
        if done is None:
            raise AlreadyFinished(f"execution {execution.pk} is not live")
        audit(
            actor=actor,
            action="execution.cancel",
            tenant=tenant,
            object_type="execution",
            object_id=execution.pk,
            reason=reason,
            data={
                "job_id": execution.job_id,
                "before": {"state": done.state, "attempt": done.attempt, "worker": done.worker},
                "after": {"state": "finished", "status": Outcome.FAILED.value},
            },
        )
    return done


def job_run_now(*, tenant: Tenant, job_id: int, actor: str, reason: str = "") -> int:
    """What a person does with a job that needs one: ends its cool-off and runs it at once; the execution's id.

    This run is then the probe: its success closes the cool-off, its failure opens the next one. A quarantine stays:
    there the schedule itself is wrong, and resuming or editing the job ends it. Raises JobNotFound, JobRefused,
    QuotaExceeded.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant), transaction.atomic():
        job, cursor = locked(tenant, job_id, None)
        request_executions(tenant, 1)
        was = state_of(job)
        if cooled_until := end_cool_off(job, cursor, now=database_now()):
            cursor.save(update_fields=["cool_off_until"])
        execution_id = execution_trigger(job=job)
        announce(
            job,
            "job.manual_trigger",
            actor=actor,
            reason=reason,
            event=None,
            before=was,
            execution_id=execution_id,
            cool_off_ended=cooled_until and cooled_until.isoformat(),
        )
    return execution_id
