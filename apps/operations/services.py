"""A run of reconcilers: dry or real, for one tenant or all, audited."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, transaction

from apps.jobs.schedules import database_now
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reconcilers.base import CannotRepair, Drift, Reconciler, Result, Scope
from apps.operations.reports import Item, ReconcileReport
from apps.operations.statements import wake_scheduler
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import Refused, audit

logger = logging.getLogger(__name__)
MAX_REASON = 500
RUN = "reconcile.run"


def reconcile(
    *,
    kinds: Sequence[str],
    tenant: Tenant | None,
    dry_run: bool,
    reason: str,
    actor: str,
    object_ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> ReconcileReport:
    """Find drift of these kinds and, unless `dry_run`, repair it.

    `tenant` None means all tenants and is for on-call alone. A real run needs a reason. Each repair is a transaction of
    its own with its audit entry, so one that fails takes no other back; the run leaves one entry more, also when it
    found nothing or could not be done. With `limit` it stops after so many, and the report says whether there are more.

    Raises `Refused` for an unknown kind, a missing reason or one that is too long.
    """
    reason = reason.strip()
    if unknown := [kind for kind in kinds if kind not in RECONCILERS]:
        raise Refused(
            f"{unknown[0]!r} is nothing that can be reconciled; use one of {', '.join(RECONCILERS)}."
        )
    if not reason and not dry_run:
        raise Refused("A repair needs a reason.")
    if len(reason) > MAX_REASON:
        raise Refused(f"The reason is limited to {MAX_REASON} characters.")
    scope = Scope(tenant, tuple(object_ids) if object_ids is not None else None)
    with tenant_scope(tenant) if tenant is not None else all_tenants_scope():
        items: list[Item] = []
        has_more = False
        try:
            for reconciler, drift in _found(kinds, scope):
                if has_more := limit is not None and len(items) >= limit:
                    break
                items.append(
                    Item(drift, Result.FOUND)
                    if dry_run
                    else _repair(reconciler, drift, reason=reason, actor=actor)
                )
        except DatabaseError as error:
            if not dry_run:
                with suppress(DatabaseError):  # the first one tells more
                    run_failed(kinds=kinds, tenant=tenant, reason=reason, actor=actor, error=error)
            raise
        report = ReconcileReport(tuple(kinds), dry_run, database_now(), tuple(items), has_more, _names(items))
        if not dry_run:
            with transaction.atomic():
                data = {**report.counts, "reconciled_at": report.reconciled_at.isoformat()}
                _record(kinds, tenant, reason, actor, data)
                wake_scheduler()
    return report


def run_failed(
    *, kinds: Sequence[str], tenant: Tenant | None, reason: str, actor: str, error: Exception
) -> None:
    """Record a run that could not be done, as one failure."""
    with tenant_scope(tenant) if tenant is not None else all_tenants_scope(), transaction.atomic():
        _record(kinds, tenant, reason, actor, {"failures": 1, "error": type(error).__name__})


def _record(
    kinds: Sequence[str], tenant: Tenant | None, reason: str, actor: str, data: Mapping[str, Any]
) -> None:
    audit(
        actor=actor,
        action=RUN,
        tenant=tenant,
        object_type="reconcile",
        object_id=",".join(kinds)[:100],
        reason=reason,
        data=data,
    )


def _names(items: Sequence[Item]) -> dict[int, str]:
    ids = {item.drift.tenant_id for item in items}
    return dict(Tenant.objects.filter(pk__in=ids).values_list("pk", "schema_name")) if ids else {}


def _found(kinds: Sequence[str], scope: Scope) -> Iterator[tuple[Reconciler, Drift]]:
    for reconciler in (RECONCILERS[kind] for kind in kinds):
        for drift in reconciler.find(scope):
            yield reconciler, drift


def _repair(reconciler: Reconciler, drift: Drift, *, reason: str, actor: str) -> Item:
    try:
        with transaction.atomic():
            repair = reconciler.repair(drift)
            if repair.result is Result.SKIPPED:
                return Item(drift, Result.SKIPPED, "It was in order when its rows were locked.")
            seen = repair.drift
            audit(
                actor=actor,
                action=f"reconcile.{reconciler.kind}",
                tenant=Tenant.objects.get(pk=seen.tenant_id),
                object_type=seen.object_type,
                object_id=seen.object_id,
                reason=reason,
                data={
                    "problem": seen.problem,
                    "found": dict(seen.found),
                    "wanted": dict(seen.wanted),
                    "result": repair.result.value,
                },
            )
            return Item(seen, repair.result, repair.detail)
    except CannotRepair as error:
        return Item(drift, Result.FAILED, str(error))
    except DatabaseError as error:
        logger.exception("%s of tenant %s could not be repaired", drift.object_id, drift.tenant_id)
        return Item(drift, Result.FAILED, f"The database refused the repair ({type(error).__name__}).")
