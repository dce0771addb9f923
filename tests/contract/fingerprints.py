"""Every row of the database in one line a table, to see whether anything wrote."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.tenants.context import all_tenants_scope, tenant_scope

SESSIONS = frozenset({"django_session"})  # session middleware may write its own rows on a GET
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, 2
"""
# xmin and ctid as well, so that a row written with the values it had is seen too.
_ROWS = """
SELECT count(*)::text || ' ' || coalesce(md5(string_agg(line, '|' ORDER BY line)), '')
FROM (SELECT t.xmin::text || t.ctid::text || t.tableoid::text || t::text AS line FROM {table} t) lines
"""


_SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname = ANY(%s)"


def fingerprints(*tenants: Any) -> dict[str, str]:
    """By table and sequence, shared ones and those of the tenants' schemas; outputs, which the machine may not read, by
    tenant.
    """
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(_TABLES, [["public", *(tenant.schema_name for tenant in tenants)]])
        tables = [f'"{schema}"."{table}"' for schema, table in cursor.fetchall() if table not in SESSIONS]
        found = {table: _of(cursor, table) for table in tables}
        cursor.execute(_SEQUENCES, [["public", *(tenant.schema_name for tenant in tenants)]])
        found |= {f'"{schema}"."{name}"': f"at {value}" for schema, name, value in cursor.fetchall()}
    for tenant in tenants:
        with tenant_scope(tenant), connection.cursor() as cursor:
            found[f"outputs of {tenant.schema_name}"] = _of(cursor, "public.executions_executionoutput")
    return found


def _of(cursor: Any, table: str) -> str:
    cursor.execute(_ROWS.format(table=table))
    return str(cursor.fetchone()[0])
