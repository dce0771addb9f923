"""One row in every shared table for a tenant, with a canary in every text column a customer can fill."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from apps.executions.models import (
    Attempt,
    Counter,
    Delta,
    Execution,
    ExecutionLog,
    ExecutionOutput,
    OutcomeNote,
    Skip,
    TenantTotals,
)
from apps.executions.states import Kind, Outcome, SkipReason, State
from apps.jobs.models import Cursor, Job
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Membership, UserIdentity
from apps.vault.services import content_put


def canary(tenant: Any) -> str:
    """Bytes that occur nowhere but in this tenant's rows."""
    return f"canary-of-{tenant.schema_name}-7f3a"


def seed(tenant: Any, owner: Membership) -> dict[str, int]:
    """A row in every table under row security. Returns the ids that tests try from the other side."""
    text = canary(tenant)
    at = datetime.now(UTC).replace(microsecond=0)
    owned = {
        "job_name": text,
        "user_id": owner.user_id,
        "kind": Kind.SCHEDULED,
        "scheduled_for": at,
        "run_at": at,
        "task_type": text,
        "target": "http_check",
    }
    with all_tenants_scope():
        job = Job.objects.create(
            tenant=tenant,
            name=text,
            user_id=owner.user_id,
            trigger_type="manual",
            target="http_check",
            task_type=text,
        )
        Cursor.objects.create(job=job, tenant=tenant, failure_reason=text)
        UserIdentity.objects.create(tenant=tenant, legacy_user_id=900 + tenant.pk, user_id=text)
        AuditEntry.objects.create(tenant=tenant, actor=text, action="seed", reason=text)
        SchedulerEvent.objects.create(
            tenant=tenant, event_type="job_failed", job_id=job.pk, error_message=text
        )
        live = Execution.objects.create(
            tenant=tenant,
            job_id=job.pk,
            state=State.PENDING,
            content_version=1,
            timeout_seconds=60,
            max_attempts=1,
            retry_delay_seconds=10,
            retry_max_delay_seconds=60,
            **{**owned, "run_at": datetime(2999, 1, 1, tzinfo=UTC)},
        )
        done_id = 1_000_000 + live.pk
        ExecutionLog.objects.create(
            id=done_id,
            tenant=tenant,
            job_id=job.pk,
            status=Outcome.FAILED,
            error_message=text,
            attempts=1,
            finished_at=at,
            created_at=at,
            **owned,
        )
        Attempt.objects.create(
            tenant=tenant,
            execution_id=done_id,
            scheduled_for=at,
            attempt=1,
            worker="w",
            lease_token=uuid4(),
            finished_at=at,
            outcome="failed",
            error_message=text,
        )
        Skip.objects.create(
            tenant=tenant, job_id=job.pk, first=at, last=at, count=1, reason=SkipReason.MISFIRE, detail=text
        )
        cell = {"user_key": text, "task_type": text, "status": "failed", "hour": at, "n": 1}
        Delta.objects.create(tenant=tenant, **cell)
        Counter.objects.create(tenant=tenant, **cell)
        OutcomeNote.objects.create(
            tenant=tenant,
            job_id=job.pk,
            execution_id=done_id,
            status=Outcome.FAILED,
            error_message=text,
            finished_at=at,
            successes=0,
            failures=1,
            trailing_failures=1,
        )
        TenantTotals.objects.create(tenant=tenant, check_cycles=1)
    with tenant_scope(tenant):
        content_put(job_id=job.pk, version=1, content={"url": "https://example.com/", "headers": {"x": text}})
        ExecutionOutput.objects.create(
            execution_id=done_id, tenant=tenant, scheduled_for=at, result={"said": text}, error_text=text
        )
    return {"job": job.pk, "execution": live.pk, "log": done_id}
