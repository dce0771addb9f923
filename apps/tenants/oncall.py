"""What on-call may change of a tenant and of plans. Every change is audited: who and, where it hurts, why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan, Tenant
from apps.tenants.services import NotAsItIs, Refused, audit

TENANT_FIELDS = frozenset({"name", "plan"})
PLAN_FIELDS = frozenset(
    {
        "name",
        "max_jobs",
        "min_interval_seconds",
        "max_timeout_seconds",
        "retention_days",
        "requests_per_minute",
        "max_concurrency",
        "executions_per_minute",
        "executions_per_day",
        "allowed_tasks",
        "redact",
    }
)


def tenant_suspend(*, tenant: Tenant, reason: str, actor: str) -> None:
    """Its hosts and keys answer 403 and its jobs do not run, until it is resumed. Raises `Refused` without a reason."""
    _set_status(
        tenant, Tenant.Status.ACTIVE, Tenant.Status.SUSPENDED, "tenant.suspend", reason=reason, actor=actor
    )


def tenant_resume(*, tenant: Tenant, reason: str, actor: str) -> None:
    """End a suspension. Raises `Refused` without a reason, and while the tenant is to be deleted."""
    _set_status(
        tenant, Tenant.Status.SUSPENDED, Tenant.Status.ACTIVE, "tenant.resume", reason=reason, actor=actor
    )


def _set_status(tenant: Tenant, before: str, after: str, action: str, *, reason: str, actor: str) -> None:
    _need(reason)
    with all_tenants_scope(), transaction.atomic():
        held = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if held.status == after:
            return  # and is not recorded twice
        if held.status != before:
            raise NotAsItIs(f"{held.schema_name} is {held.status}.")
        _move(held, after, action, due=None, reason=reason, actor=actor)


def tenant_deletion_request(
    *, tenant: Tenant, short_name: str, reason: str, delay: timedelta | None = None, actor: str
) -> Tenant:
    """Mark a suspended tenant for deletion, which may begin after `delay` (TENANT_DELETION_DELAY unless given).

    `short_name` repeats its name, as a confirmation. Asked again it changes nothing, unless with a `delay`, which then
    counts from now. Raises `Refused`.
    """
    _need(reason)
    if short_name != tenant.schema_name:
        raise Refused("Repeat the tenant's short name, letter by letter.", field="short_name")
    wait = timedelta(days=settings.TENANT_DELETION_DELAY) if delay is None else delay
    with all_tenants_scope(), transaction.atomic():
        held: Tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if held.status == Tenant.Status.ACTIVE:
            raise NotAsItIs(f"{held.schema_name} is active. Suspend it first, and see who misses it.")
        if held.status == Tenant.Status.SUSPENDED or delay is not None:
            action = "tenant.deletion_request"
            _move(held, Tenant.Status.DELETING, action, due=Now() + wait, reason=reason, actor=actor)
        return held


def tenant_deletion_cancel(*, tenant: Tenant, reason: str, actor: str) -> None:
    """Leave the tenant suspended. Raises `Refused` without a reason, and once the deletion may have begun."""
    _need(reason)
    with all_tenants_scope(), transaction.atomic():
        held = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if held.status != Tenant.Status.DELETING:
            raise NotAsItIs(f"{held.schema_name} is {held.status}.")
        if not Tenant.objects.filter(pk=held.pk, deletion_due_at__gt=Now()).exists():
            raise NotAsItIs(f"The deletion of {held.schema_name} may have begun; what is gone is gone.")
        action = "tenant.deletion_cancel"
        _move(held, Tenant.Status.SUSPENDED, action, due=None, reason=reason, actor=actor)


def _need(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why; the tenant will ask.")


def _move(held: Tenant, status: str, action: str, *, due: Any, reason: str, actor: str) -> None:
    before = _standing(held)
    Tenant.objects.filter(pk=held.pk).update(status=status, deletion_due_at=due)
    held.refresh_from_db(fields=["status", "deletion_due_at"])
    audit(
        actor=actor,
        action=action,
        tenant=held,
        object_type="tenant",
        object_id=held.pk,
        reason=reason.strip(),
        data={"before": before, "after": _standing(held)},
    )


def _standing(tenant: Tenant) -> dict[str, str]:
    due = tenant.deletion_due_at
    return {"status": str(tenant.status), **({"deletion_due_at": due.isoformat()} if due else {})}


def tenant_update(*, tenant: Tenant, changes: dict[str, Any], actor: str) -> None:
    """Change the name or the plan."""
    with all_tenants_scope(), transaction.atomic():
        before = Tenant.objects.select_related("plan").select_for_update(of=("self",)).get(pk=tenant.pk)
        _apply(before, changes, TENANT_FIELDS, "tenant.update", tenant=tenant, actor=actor)


def plan_update(*, plan: Plan, changes: dict[str, Any], actor: str) -> None:
    """Change limits. They hold for what is saved from now on; jobs that exist are left as they are."""
    with all_tenants_scope(), transaction.atomic():
        before = Plan.objects.select_for_update().get(pk=plan.pk)
        _apply(before, changes, PLAN_FIELDS, "plan.update", tenant=None, actor=actor)


def _apply(
    row: Any,
    changes: dict[str, Any],
    allowed: frozenset[str],
    action: str,
    *,
    tenant: Tenant | None,
    actor: str,
) -> None:
    if unknown := changes.keys() - allowed:
        raise TypeError(f"not for on-call to change: {', '.join(sorted(unknown))}")
    different = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not different:
        return
    record = {
        name: {"before": _plain(getattr(row, name)), "after": _plain(value)}
        for name, value in different.items()
    }
    for name, value in different.items():
        setattr(row, name, value)
    row.save(update_fields=list(different))
    audit(
        actor=actor,
        action=action,
        tenant=tenant,
        object_type=row._meta.model_name,
        object_id=row.pk,
        data=record,
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, str, list)) else str(value)
