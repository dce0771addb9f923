"""System checks that refuse a database on which isolation would not hold.

Tagged `database`, so they run with `migrate` and `check --database default`. Schedulers and workers run them at start
(`scheduler_saas.processes`), and a web process is not ready where they fail.
"""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Critical, Tags, register
from django.db import ProgrammingError, connections

from apps.executions.ledger import unplaced
from apps.executions.partitions import describe
from apps.tenants.context import all_tenants_scope

# Read before any tenant is known, or holding nothing of a tenant's. Every other shared table needs row security.
WITHOUT_ROW_SECURITY = frozenset(
    {
        "tenants_domain",
        "tenants_apikey",
        "tenants_user",
        "tenants_user_groups",
        "tenants_user_user_permissions",
        "leadership_leaderterm",
        "leadership_refusedwrite",
        "operations_alertstate",
        "operations_evidence",
        "django_session",
        "django_content_type",
        "django_migrations",
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "axes_accessattempt",
        "axes_accessattemptexpiration",
        "axes_accessfailurelog",
        "axes_accesslog",
    }
)

_ROLE = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
_TABLES = """
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, c.relispartition,
       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
ORDER BY c.relname
"""


@register(Tags.database)
def isolation_holds(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The role is plain; every shared table has forced row security; partitions have it without a policy."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        with connections[alias].cursor() as cursor:
            cursor.execute(_ROLE)
            messages.extend(_of_role(*cursor.fetchone()))
            cursor.execute(_TABLES)
            for table, forced, is_partition, policies in cursor.fetchall():
                if table in WITHOUT_ROW_SECURITY:
                    continue
                messages.extend(_of_table(table, forced, is_partition, policies))
    return messages


@register(Tags.database)
def ledger_has_its_place(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Warns when rows of the ledger lie in a default partition."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            with all_tenants_scope(), connections[alias].cursor() as cursor:
                found = unplaced().on(cursor)
        except ProgrammingError:
            continue  # a database that is yet to be migrated
        if found:
            messages.append(
                checks.Warning(
                    describe(found),
                    hint="The leader moves what it can; docs/operations.md says what else to do.",
                    id="scheduler.W001",
                )
            )
    return messages


def _of_role(role: str, is_superuser: bool, bypasses: bool) -> list[CheckMessage]:
    if not (is_superuser or bypasses):
        return []
    what = "a superuser" if is_superuser else "a role with BYPASSRLS"
    return [
        Critical(
            f"The database role {role!r} is {what}: row security would not apply to it.",
            hint="Connect as a role created with NOSUPERUSER NOBYPASSRLS.",
            id="scheduler.E001",
        )
    ]


def _of_table(table: str, forced: bool, is_partition: bool, policies: int) -> list[CheckMessage]:
    if not forced:
        return [
            Critical(
                f"The shared table {table} is without forced row security: one tenant could read another's rows.",
                hint="Add apps.tenants.row_security.protect() to the migration that creates it.",
                id="scheduler.E002",
            )
        ]
    if is_partition and policies:
        return [
            Critical(
                f"The partition {table} has a policy of its own; queried by name it must show nothing.",
                id="scheduler.E003",
            )
        ]
    if not is_partition and not policies:
        return [
            Critical(
                f"The shared table {table} has row security but no policy: nobody could use it.",
                id="scheduler.E004",
            )
        ]
    return []
