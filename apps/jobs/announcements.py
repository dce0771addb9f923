"""Who has to hear of a change to a job: the journal, the audit trail, and the leader."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.jobs.models import Job
from apps.jobs.recording import State, difference, state_of
from apps.leadership.journal import event_insert
from apps.tenants.services import audit


def announce(
    job: Job,
    action: str,
    *,
    actor: str,
    reason: str,
    event: str | None,
    before: State | None = None,
    **data: Any,
) -> None:
    """Inside the transaction of the change, after it. `before` is `state_of` the job until then; None: it is new."""
    audit(
        actor=actor,
        action=action,
        tenant=job.tenant,
        object_type="job",
        object_id=job.id,
        reason=reason,
        data={"version": job.version, **difference(before, state_of(job)), **data},
    )
    with connection.cursor() as cursor:
        if event is not None:
            event_insert(
                cursor,
                event_type=event,
                tenant_id=job.tenant_id,
                job_id=job.id,
                job_type=job.task_type,
                user_id=job.user_id,
                legacy_user_id=job.legacy_user_id,
                event_data={"job_name": job.name, "action": action, "reason": reason},
            )
        # Sent on commit, and so never before the change can be seen.
        cursor.execute("SELECT pg_notify('scheduler_jobs', '')")
