"""A tenant's schema, made in milliseconds, and dropped."""

from functools import cache

from django.core.management import call_command
from django.db import connection, transaction
from psycopg import sql

from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.schema_scripts import Script, collected


@cache
def _script() -> Script | None:
    return collected(new=True)


def create_schema(tenant: Tenant) -> None:
    """Make `tenant`'s schema with its tables. Must run outside every scope; all or nothing."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(tenant.schema_name)))
        with tenant_scope(tenant):
            script = _script()
            if script is not None:
                script.replay(new=True)
    if script is None:
        call_command("migrate_schemas", schema_name=tenant.schema_name, interactive=False, verbosity=0)


def drop_schema(schema_name: str) -> None:
    """Drop a schema with all that is in it. One schema a transaction: hundreds would exhaust the lock table."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema_name)))
