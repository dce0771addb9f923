"""Gate 1: what a session in one tenant's scope sees of another's rows, and whether it could write any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from django.apps import apps
from django.db import connection
from psycopg import sql

from apps.operations.gates.probing import Session, as_tenant, busiest_tenants, probe
from apps.operations.gates.report import Check
from apps.tenants.context import tenant_scope

TENANTS = 3
# Shared tables with a tenant's rows; in those that grow by the day, the last two days are looked at.
_TABLES = """
SELECT c.relname, EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'scheduled_for' AND NOT a.attisdropped
)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relrowsecurity
ORDER BY c.relname
"""
_SEEN = """
SELECT EXISTS (SELECT FROM {table} WHERE tenant_id = %(other)s AND {recent})
    OR EXISTS (SELECT FROM {table} WHERE tenant_id IS NULL AND {recent})
"""
_RECENT = "scheduled_for > now() - interval '2 days'"
# Only the tenant is given: a policy is asked before any other rule is looked at, and no sequence moves.
_WRITTEN = """
INSERT INTO {table} SELECT (row).* FROM (SELECT jsonb_populate_record(NULL::{table}, %(columns)s) AS row) AS made
"""
_VAULT = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)"


class Table(NamedTuple):
    name: str
    by_day: bool


def leakage_checks() -> Iterator[Check]:
    """In the scope of each tenant of a few, no row of another is seen, and none can be written."""
    tenants = busiest_tenants(TENANTS)
    if not tenants:
        yield Check(
            "no tenant sees another's rows", False, "There is no active tenant whose scope could be tried."
        )
        return
    # Of one alone, the other is nobody: a policy refuses that no less.
    others = [tenant.pk for tenant in tenants[1:] + tenants[:1]] if tenants[1:] else [tenants[0].pk + 1]
    seen: list[str] = []
    written: list[str] = []
    with probe() as session:
        tables = [Table(*row) for row in session.execute(_TABLES).fetchall()]
        for tenant, other in zip(tenants, others, strict=True):
            with as_tenant(session, str(tenant.schema_name)):
                seen += [f"{t.name} in {tenant.schema_name}" for t in tables if _sees(session, t, other)]
                written += [
                    f"{t.name} in {tenant.schema_name}: {why}"
                    for t in tables
                    if (why := _may_write(session, t, other))
                ]
    looked = f"{len(tables)} tables, tenants whose scopes were tried: {len(tenants)}"
    yield Check(
        "no tenant sees another's rows",
        not seen,
        f"Rows of others are seen: {_few(seen)}." if seen else f"None is seen: {looked}.",
    )
    yield Check(
        "no tenant writes another's rows",
        not written,
        f"A row for another tenant is not refused by row security: {_few(written)}."
        if written
        else f"Each is refused by row security (42501), and was rolled back: {looked}.",
    )


def vault_checks() -> Iterator[Check]:
    """Each tenant's vault is whole, is what its own scope finds, and is found in no other scope."""
    names = sorted(model._meta.db_table for model in apps.get_app_config("vault").get_models())
    wrong = [f"{name} outside every tenant is in {schema}" for name in names if (schema := _schema_of(name))]
    tenants = busiest_tenants(TENANTS)
    for tenant in tenants:
        with tenant_scope(tenant):
            wrong += [
                f"{name} of {tenant.schema_name} is in {schema or 'no schema'}"
                for name in names
                if (schema := _schema_of(name)) != tenant.schema_name
            ]
    yield Check(
        "vaults are apart",
        not wrong,
        f"A vault's table is not where it must be: {_few(wrong)}."
        if wrong
        else f"{len(names)} tables each are in the schemas of {len(tenants)} tenants, and outside of those none is.",
    )


def _sees(session: Session, table: Table, other: int) -> bool:
    query = sql.SQL(_SEEN).format(
        table=sql.Identifier("public", table.name), recent=sql.SQL(_RECENT if table.by_day else "true")
    )
    row = session.execute(query, {"other": other}).fetchone()
    return row is not None and bool(row[0])


def _may_write(session: Session, table: Table, other: int) -> str:
    """What came of it, unless the policy refused."""
    query = sql.SQL(_WRITTEN).format(table=sql.Identifier("public", table.name))
    try:
        with session.transaction(force_rollback=True):
            session.execute(query, {"columns": f'{{"tenant_id": {other}}}'})
    except psycopg.errors.InsufficientPrivilege:
        return ""
    except psycopg.Error as error:
        return f"another rule refused it ({error.sqlstate})"
    return "it could be written"


def _schema_of(table: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(_VAULT, [table])
        row = cursor.fetchone()
    return row[0] if row else None


def _few(found: list[str]) -> str:
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
