"""How far the ledger's user ids are, from the same statement that operators run in psql."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection

from apps.executions.sql import statement
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant


class UserIdCounts(NamedTuple):
    """Rows of a tenant's ledger. `legacy` have the integer alone, `backfilled` both; `unresolved` are those of `legacy`
    whose integer nobody has mapped.
    """

    tenant: str
    total: int
    with_string: int
    legacy: int
    backfilled: int
    unresolved: int


def user_id_report(*, tenant: Tenant | None) -> list[UserIdCounts]:
    """By tenant; None: of all tenants, for on-call."""
    with (
        tenant_scope(tenant) if tenant is not None else all_tenants_scope(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement("task_execution_log_user_id_backfill_report"))
        return [UserIdCounts(*row) for row in cursor.fetchall()]
