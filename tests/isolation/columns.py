"""Where a customer's text can be: every text column of every table that holds tenants' rows."""

from __future__ import annotations

from typing import NamedTuple

from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.isolation.raw import rows

# Too short for the canary, a column holds a word of ours: a status, a kind, a role.
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'django_migrations'
  AND (n.nspname = %(schema)s OR n.nspname = 'public' AND EXISTS (
      SELECT 1 FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id'))
  AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'varchar[]'::regtype, 'text[]'::regtype)
  AND (a.atttypmod < 0 OR a.atttypid = 'varchar[]'::regtype OR a.atttypmod - 4 >= %(length)s)
ORDER BY 1, 2, 3
"""


class Column(NamedTuple):
    schema: str
    table: str
    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


def text_columns(schema_name: str, length: int) -> list[Column]:
    """Those that could hold a text of `length`."""
    return [Column(*row) for row in rows(_COLUMNS, {"schema": schema_name, "length": length})]


def holds(column: Column, tenant: object, text: str) -> bool:
    """Whether a row of the table has `text` in this column, for those who may read it."""
    scope = tenant_scope(tenant) if column.schema != "public" or _is_hidden(column) else all_tenants_scope()  # type: ignore[arg-type]
    with scope:
        statement = (
            f'SELECT 1 FROM "{column.schema}"."{column.table}" WHERE "{column.name}"::text LIKE %s LIMIT 1'
        )
        return rows(statement, [f"%{text}%"]) != []


def _is_hidden(column: Column) -> bool:
    return column.table == "executions_executionoutput"
