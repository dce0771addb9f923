"""What on-call may change of a tenant and of plans. Every change is audited: who and, where it hurts, why."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan, Tenant
from apps.tenants.services import Refused, audit

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
    }
)


def tenant_suspend(*, tenant: Tenant, reason: str, actor: str) -> None:
    """Its hosts and keys answer 403 and its jobs do not run, until it is resumed. Raises `Refused` without a reason."""
    _set_status(tenant, Tenant.Status.SUSPENDED, "tenant.suspend", reason=reason, actor=actor)


def tenant_resume(*, tenant: Tenant, reason: str, actor: str) -> None:
    """End a suspension. Raises `Refused` without a reason."""
    _set_status(tenant, Tenant.Status.ACTIVE, "tenant.resume", reason=reason, actor=actor)


def _set_status(tenant: Tenant, status: str, action: str, *, reason: str, actor: str) -> None:
    if not reason.strip():
        raise Refused("Say why; the tenant will ask.")
    with all_tenants_scope(), transaction.atomic():
        # What is so already stays so, and is not recorded twice.
        if Tenant.objects.filter(pk=tenant.pk).exclude(status=status).update(status=status):
            audit(
                actor=actor,
                action=action,
                tenant=tenant,
                object_type="tenant",
                object_id=tenant.pk,
                reason=reason.strip(),
                data={"status": {"before": _other(status), "after": str(status)}},
            )


def _other(status: str) -> str:
    return next(str(each) for each in Tenant.Status.values if each != status)


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
