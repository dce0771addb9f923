"""Raw SQL about the database itself: which tables are shared, and what a session sees of them."""

from typing import Any

from django.db import connection

_PROTECTED = """
SELECT c.relname, c.relispartition FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relrowsecurity ORDER BY c.relname
"""


def rows(statement: str, params: Any = None) -> list[tuple[Any, ...]]:
    """What `statement` returns in the present scope."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def protected_tables() -> list[str]:
    return [name for name, is_partition in rows(_PROTECTED) if not is_partition]


def partitions() -> list[str]:
    return [name for name, is_partition in rows(_PROTECTED) if is_partition]


def tenant_column(table: str) -> str | None:
    """The column that names the row's tenant. Plans, the admin's log and acknowledged runbooks belong to none."""
    of_none = {"tenants_plan": None, "django_admin_log": None, "operations_acknowledgement": None}
    special = {"tenants_tenant": "schema_name", **of_none}
    return special.get(table, "tenant_id")


def tenant_value(table: str, tenant: Any) -> Any:
    """What that column holds for `tenant`."""
    return tenant.schema_name if table == "tenants_tenant" else tenant.pk
