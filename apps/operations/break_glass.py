"""Break-glass: an operator's access to one tenant's outputs and payloads, for minutes and with a reason.

On-call sees no customer's content: row security hides outputs from the view of all tenants, and payloads are in the
tenant's vault. Whoever has to see them says why, is let in for BREAK_GLASS_MINUTES, and leaves an audit entry in the
tenant's trail for the grant, for each execution that was read, and for the end. The entry of a read is committed before
anything is read, and the reading is a READ ONLY transaction in the tenant's own scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.executions.models import Execution, ExecutionLog
from apps.executions.selectors import execution_output
from apps.jobs.models import Job
from apps.jobs.schedules import database_now
from apps.operations.models import BreakGlass
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant, User
from apps.tenants.services import NotAllowed, Refused, audit
from apps.vault.services import contents_get

MAX_REASON = 500
NO_ACCESS = "You have no break-glass access to this tenant, or it has ended."


@dataclass(frozen=True, slots=True)
class Disclosed:
    """`result` and `error_text` as the run left them; `payload` is the content of version `version`, which of a
    finished execution is the job's as it is today. Whatever there is not is None.
    """

    result: Any
    error_text: str | None
    payload: dict[str, Any] | None
    version: int | None


def break_glass(*, tenant: Tenant, account: User, execution_id: int, reason: str, actor: str) -> BreakGlass:
    """Let `account` see `tenant`'s outputs for BREAK_GLASS_MINUTES. Raises `Refused` without a reason, with one that is
    too long, and where access is open already.
    """
    reason = reason.strip()
    if not reason:
        raise Refused("Say why; the tenant will read it.", field="reason")
    if len(reason) > MAX_REASON:
        raise Refused(f"The reason is limited to {MAX_REASON} characters.", field="reason")
    with all_tenants_scope(), transaction.atomic():
        User.objects.select_for_update().get(pk=account.pk)  # one after the other
        if open_access(account).filter(tenant=tenant).exists():
            raise Refused("You have access to this tenant already.")
        now = database_now()
        grant = BreakGlass.objects.create(
            tenant=tenant,
            account=account,
            execution_id=execution_id,
            reason=reason,
            granted_at=now,
            until=now + timedelta(minutes=settings.BREAK_GLASS_MINUTES),
        )
        audit(
            actor=actor,
            action="break_glass.grant",
            tenant=tenant,
            object_type="execution",
            object_id=execution_id,
            reason=reason,
            data={"access": grant.pk, "before": None, "after": {"until": grant.until.isoformat()}},
        )
    return grant


def open_access(account: User) -> QuerySet[BreakGlass]:
    """What the account may see now, by the database's clock; each with its tenant."""
    rows: QuerySet[BreakGlass] = BreakGlass.objects.filter(account=account, until__gt=Now(), ended_at=None)
    return rows.select_related("tenant").order_by("until")


def break_glass_end(*, access_id: int, account: User, actor: str) -> BreakGlass | None:
    """End one's own access before its time; None where there is nothing to end."""
    with all_tenants_scope(), transaction.atomic():
        grant = open_access(account).select_for_update(of=("self",)).filter(pk=access_id).first()
        if grant is not None:
            grant.ended_at = ended = database_now()
            grant.save(update_fields=["ended_at"])
            audit(
                actor=actor,
                action="break_glass.end",
                tenant=grant.tenant,
                object_type="execution",
                object_id=grant.execution_id,
                data={
                    "access": grant.pk,
                    "before": {"until": grant.until.isoformat()},
                    "after": {"until": ended.isoformat()},
                },
            )
    return grant


def disclose(*, execution: Execution | ExecutionLog, account: User, actor: str) -> Disclosed:
    """What `execution` was given and what it returned or raised. Audited. Raises `NotAllowed` without open access."""
    with all_tenants_scope(), transaction.atomic():
        # Held until the entry is written: access that is ended meanwhile was open when this began.
        grants = open_access(account).select_for_update(of=("self",)).filter(tenant_id=execution.tenant_id)
        grant = grants.first()
        if grant is None:
            raise NotAllowed(NO_ACCESS)
        audit(
            actor=actor,
            action="break_glass.read",
            tenant=grant.tenant,
            object_type="execution",
            object_id=execution.pk,
            reason=grant.reason,
            data={"access": grant.pk, "job_id": execution.job_id},
        )
    with tenant_scope(grant.tenant), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        return _read(execution)


def _read(execution: Execution | ExecutionLog) -> Disclosed:
    """In the scope of its tenant."""
    output = execution_output(execution=execution) if isinstance(execution, ExecutionLog) else None
    version, job_id = getattr(execution, "content_version", None), execution.job_id
    if version is None and job_id is not None:
        jobs = Job.objects.filter(tenant_id=execution.tenant_id, pk=job_id)
        version = jobs.values_list("content_version", flat=True).first()
    payload = None
    if job_id is not None and version is not None:
        payload = contents_get([(job_id, version)]).get((job_id, version))
    return Disclosed(
        result=output.result if output else None,
        error_text=output.error_text if output else None,
        payload=payload,
        version=version if payload is not None else None,
    )
