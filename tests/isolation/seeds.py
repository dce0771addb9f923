"""One row in every table for a tenant, with a canary in every text column; `tests.isolation.columns` checks that."""

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
    ImportRun,
    OutcomeNote,
    Skip,
    Tally,
    TenantTotals,
    Usage,
)
from apps.executions.states import Kind, Outcome, SkipReason, State
from apps.jobs.models import Calendar, Cursor, Job, Notice, NoticeWanted
from apps.leadership.models import SchedulerEvent
from apps.operations.models import BreakGlass, Delivery
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import seal
from apps.tenants.models import (
    ApiKey,
    AuditEntry,
    IdempotentRequest,
    Invitation,
    Membership,
    User,
    UserIdentity,
)
from apps.vault.channels import ChannelContent, channel_content_put
from apps.vault.labels import connection_label
from apps.vault.models import Connection, NotificationChannel
from apps.vault.services import content_put, endpoint_put, secret_put


def canary(tenant: Any) -> str:
    """Bytes that occur nowhere but in this tenant's rows."""
    return f"canary-of-{tenant.schema_name}-7f3a"


def number(tenant: Any) -> int:
    """A canary for counts: a number that no other tenant's rows hold."""
    return 7_300_000 + int(tenant.pk)


def confidential(tenant: Any) -> str:
    """The canary in what only the tenant may see, not even those on call: payloads, outputs, credentials."""
    return f"{canary(tenant)}-in-confidence"


def write_only(tenant: Any) -> str:
    """The canary in what nobody is ever shown again, not even the one who brought it: credentials and secrets."""
    return f"{canary(tenant)}-write-only"


def seed(tenant: Any, owner: Membership) -> dict[str, Any]:
    """A row in every table under row security and in the vault. Returns the ids that tests try from the other side."""
    text = canary(tenant)
    at = datetime.now(UTC).replace(microsecond=0)
    owner.user_id, owner.legacy_user_id = f"{text}-user", 900 + tenant.pk
    with all_tenants_scope():
        owner.save()
        ids = _shared_rows(tenant, owner, text, at)
    with tenant_scope(tenant):
        _vault_rows(tenant, owner, ids, at)
    return ids


def _shared_rows(tenant: Any, owner: Membership, text: str, at: datetime) -> dict[str, Any]:
    owned = {
        "job_name": text,
        "user_id": owner.user_id,
        "kind": Kind.SCHEDULED,
        "scheduled_for": at,
        "run_at": at,
        "task_type": text,
        "target": text,
        "worker": text,
    }
    calendar = Calendar.objects.create(
        tenant=tenant, name=text, blackouts=[{"from": "2026-12-24", "to": "2026-12-27", "reason": text}]
    )
    spare = Calendar.objects.create(
        tenant=tenant,
        name=f"{text}-spare",
        blackouts=[{"from": "2026-12-24", "to": "2026-12-27", "reason": text}],
    )
    job = Job.objects.create(
        tenant=tenant,
        calendar=calendar,
        name=text,
        external_key=text,
        user_id=owner.user_id,
        trigger_type="manual",
        target="http_check",
        task_type=text,
        task_category=text,
        platform=text,
        website_url=f"https://example.com/{text}",
        pause_reason=text,
    )
    Cursor.objects.create(
        job=job,
        tenant=tenant,
        failure_reason=text,
        quarantine_reason=text,
        cool_off_until=datetime(2999, 1, 1, tzinfo=UTC),
    )
    UserIdentity.objects.create(tenant=tenant, legacy_user_id=owner.legacy_user_id, user_id=owner.user_id)
    AuditEntry.objects.create(
        tenant=tenant,
        actor=text,
        action=text,
        object_type=text,
        object_id=text,
        reason=text,
        data={"said": text},
    )
    # One whom admins, too, may manage: the owner is beyond them.
    colleague = Membership.objects.create(
        tenant=tenant,
        account=User.objects.create(username=f"{text}-colleague"),
        user_id=f"{text}-colleague",
        role="viewer",
    )
    key, colleagues_key = (
        ApiKey.objects.create(
            tenant=tenant,
            membership=holder,
            name=text,
            prefix=f"seed{holder.pk}",
            secret_hash="",
            role=holder.role,
            scopes=[text],
        )
        for holder in (owner, colleague)
    )
    invitation = Invitation.objects.create(
        tenant=tenant,
        invited_by=owner,
        email=f"{text}@example.com",
        role="viewer",
        token_hash=text,
        expires_at=datetime(2999, 1, 1, tzinfo=UTC),
    )
    BreakGlass.objects.create(tenant=tenant, account=colleague.account, execution_id=1, reason=text, until=at)
    IdempotentRequest.objects.create(
        tenant=tenant,
        membership=owner,
        key=text,
        fingerprint=text,
        sealed=seal(tenant.schema_name, "answer", {"said": confidential(tenant)}),
    )
    SchedulerEvent.objects.create(
        tenant=tenant,
        event_type="job_failed",
        job_id=job.pk,
        job_type=text,
        user_id=owner.user_id,
        error_message=text,
        event_data={"said": text},
        tasks_by_type={text: 1},
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
        source_id=text,
        **owned,
    )
    Attempt.objects.create(
        tenant=tenant,
        execution_id=done_id,
        scheduled_for=at,
        attempt=1,
        worker=text,
        lease_token=uuid4(),
        finished_at=at,
        outcome="failed",
        error_message=text,
    )
    Skip.objects.create(
        tenant=tenant, job_id=job.pk, first=at, last=at, count=1, reason=SkipReason.MISFIRE, detail=text
    )
    cell = {"user_key": owner.user_id, "task_type": text, "status": "failed", "hour": at}
    Delta.objects.create(tenant=tenant, n=1, **cell)
    Counter.objects.create(tenant=tenant, n=0, **cell)
    Tally.objects.create(tenant=tenant, user_key=text, status="failed", n=0)
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
    counts = ("check_cycles", "tasks_found", "tasks_executed", "tasks_failed", "tasks_skipped")
    Usage.objects.create(tenant=tenant, period="day", begins=at, by="schedule", n=number(tenant))
    TenantTotals.objects.create(tenant=tenant, **dict.fromkeys(counts, number(tenant)))
    NoticeWanted.objects.create(tenant=tenant, events=["failure"])
    Notice.objects.create(
        tenant=tenant,
        event="failure",
        at=at,
        job_id=job.pk,
        job_name=text,
        task_type=text,
        user_id=owner.user_id,
        failures=1,
        reason=text,
    )
    Delivery.objects.create(tenant=tenant, channel_id=1, content={"said": text})
    ImportRun.objects.create(tenant=tenant, digest=text, size=1, file_name=text)
    return {
        "job": job.pk,
        "calendar": spare.pk,
        "type": text,
        "execution": live.pk,
        "log": done_id,
        "key": key.pk,
        "invitation": invitation.pk,
        "user": owner.user_id,
        "membership": owner.pk,
        "colleague": colleague.pk,
        "colleagues_key": colleagues_key.pk,
    }


def _vault_rows(tenant: Any, owner: Membership, ids: dict[str, Any], at: datetime) -> None:
    text = confidential(tenant)
    content_put(job_id=ids["job"], version=1, content={"url": "https://example.com/", "headers": {"x": text}})
    secret_put(name=text, value=write_only(tenant))
    endpoint_put(url=f"https://example.com/{text}", signing_secrets=[write_only(tenant)], name=text)
    connection = Connection.objects.create(
        user_id=owner.user_id, platform="gsc", label=canary(tenant), settings={"said": text}
    )
    Connection.objects.filter(pk=connection.pk).update(
        sealed=seal(tenant.schema_name, connection_label(connection.pk), {"token": write_only(tenant)})
    )
    # Each tenant's schema counts for itself: the same number must not name a channel of either.
    channel = NotificationChannel.objects.create(
        id=1_000_000 + tenant.pk,
        name=canary(tenant),
        kind="webhook",
        events=["failure"],
        task_type=text,
        user_id=owner.user_id,
        last_error=text,
    )
    channel_content_put(channel, ChannelContent("https://example.com/", write_only(tenant)))
    channel.save()
    ids["channel"] = channel.pk
    ExecutionOutput.objects.create(
        execution_id=ids["log"], tenant=tenant, scheduled_for=at, result={"said": text}, error_text=text
    )
