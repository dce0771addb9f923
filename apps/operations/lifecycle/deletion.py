"""The deletion of a tenant: in batches of rows, and all of it again from the start if it is interrupted at any point.

It keeps no state but the tenant's status, for what is gone need not be remembered. What makes new rows goes first
(cursors, live executions), the schema last: outputs are shown to nobody but who is in the tenant's scope, which its
schema is. The transaction that drops it, and the tenant's row with it, looks once more whether anything is left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from apps.operations.lifecycle import forgetting
from apps.operations.lifecycle.tables import KEPT, LEDGER, Table, tenant_tables
from apps.operations.statements import sql
from apps.tenants import provisioning
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import NotAsItIs, Refused, audit

BATCH = 500  # rows of one transaction
REST = 1.0  # times what a transaction took
PASSES = 10
SETTLE_SECONDS = 30.0
FIRST = ("jobs_cursor", "executions_execution")
PEOPLE = "tenants_membership"
Progress = Callable[[int, int, str], None]  # steps done, steps there are, and a sentence


@dataclass(slots=True)
class Deleted:
    """How many rows went, by table; audit entries were emptied."""

    rows: Counter[str] = field(default_factory=Counter)


def tenant_delete(
    *,
    tenant: Tenant,
    reason: str,
    actor: str,
    batch: int = BATCH,
    rest: float = REST,
    progress: Progress = lambda done, total, text: None,
) -> Deleted:
    """Delete what is left of a tenant whose deletion was asked for and is due. Raises `Refused` before that."""
    if not reason.strip():
        raise Refused("Say why; the audit trail keeps it.")
    with all_tenants_scope():
        _refuse_unless_due(tenant)
    report = Deleted()
    for _ in range(PASSES):
        steps = list(_steps(tenant, batch))
        for done, (name, delete) in enumerate(steps):
            while n := _rested(delete, rest):
                report.rows[name] += n
                progress(done, len(steps), f"{report.rows[name]} rows of {name}")
        if not _settled():
            break
        if _finish(tenant, batch=batch, reason=reason, actor=actor, report=report):
            return report
    raise NotAsItIs("Rows come as fast as they go, or somebody holds them. Repeat the command in a while.")


def _refuse_unless_due(tenant: Tenant) -> None:
    held = Tenant.objects.filter(pk=tenant.pk).first()
    if held is None:
        raise NotAsItIs("There is no such tenant any more.")
    if held.status != Tenant.Status.DELETING:
        raise NotAsItIs(f"The deletion of {held.schema_name} was not asked for; it is {held.status}.")
    if not Tenant.objects.filter(pk=tenant.pk, deletion_due_at__lte=Now()).exists():
        raise NotAsItIs(
            f"{held.schema_name} may be deleted from {held.deletion_due_at:%Y-%m-%d %H:%M} UTC on."
        )


def _steps(tenant: Tenant, batch: int) -> Iterator[tuple[str, Callable[[], int]]]:
    tables = {table.name: table for table in tenant_tables() if table.name not in KEPT}
    for name in FIRST:
        yield (
            name,
            _in_scope(tenant, partial(forgetting.delete_rows, tables[name], tenant, None, batch=batch)),
        )
    for span in tables[LEDGER].spans:
        yield LEDGER, _in_scope(tenant, partial(forgetting.delete_executions, tenant, span, batch=batch))
    for name, table in tables.items():
        if name == PEOPLE:
            yield name, partial(forgetting.delete_people, tenant, batch=batch)
            continue
        for part in (*table.spans, None):
            delete = partial(forgetting.delete_rows, table, tenant, part, batch=batch)
            yield name, _in_scope(tenant, delete)
    yield "tenants_auditentry", partial(forgetting.scrub_trail, tenant, batch=batch)


def _in_scope(tenant: Tenant, delete: Callable[[], int]) -> Callable[[], int]:
    def scoped() -> int:
        with tenant_scope(tenant):
            return delete()

    return scoped


def _rested(delete: Callable[[], int], rest: float) -> int:
    started = time.monotonic()
    try:
        deleted = delete()
    except IntegrityError:  # a row came meanwhile that refers to one of these: the next pass finds it
        return 0
    time.sleep((time.monotonic() - started) * rest if deleted else 0)
    return deleted


def _settled() -> bool:
    """Whether every transaction that had begun to write has ended, so that none brings back what was deleted.

    In a transaction of the caller's nothing of theirs could be seen, and nothing is waited for.
    """
    if connection.in_atomic_block:
        return True
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        (mine,) = cursor.fetchone()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            cursor.execute(sql("has_older_writers"), {"xid": mine})
            if not cursor.fetchone()[0]:
                return True
            time.sleep(0.05)
    return False


def _finish(tenant: Tenant, *, batch: int, reason: str, actor: str, report: Deleted) -> bool:
    """Drop the schema and the tenant's row; False where something has come back meanwhile."""
    with transaction.atomic():
        with all_tenants_scope():
            held = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
        if held is None:
            return True  # somebody else was quicker
        with tenant_scope(tenant):
            if any(_left(table, tenant) for table in tenant_tables()):
                return False
        while forgetting.scrub_trail(tenant, batch=batch):
            pass
        forgetting.delete_admin_log(tenant)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
        provisioning.drop_schema(tenant.schema_name)
        with all_tenants_scope():
            audit(
                actor=actor,
                action="tenant.delete",
                tenant=held,
                object_type="tenant",
                object_id=tenant.pk,
                reason=reason.strip(),
                data={
                    "status": {"before": str(held.status), "after": None},
                    "rows": dict(report.rows),
                },
            )
            Tenant.objects.filter(pk=tenant.pk).delete()
    return True


def _left(table: Table, tenant: Tenant) -> bool:
    return table.name not in KEPT and forgetting.rows_left(table, tenant)
