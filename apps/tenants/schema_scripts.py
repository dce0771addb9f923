"""The statements that bring a tenant's schema up to this release.

Running migrations costs some 200 ms for each schema, nearly all of it Python that comes to the same statements. So they
are collected once for each state that schemas are found in, and replayed.
"""

from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

Names = tuple[tuple[str, str], ...]  # of migrations: app and name

_NOT_SQL = "THIS OPERATION CANNOT BE WRITTEN AS SQL"


@dataclass(frozen=True, slots=True)
class Script:
    """`statements`, and the `migrations` they stand for: those of shared apps do nothing here, and are recorded too."""

    statements: tuple[str, ...]
    migrations: Names

    def replay(self, *, new: bool = False) -> None:
        """Run it in the schema that the connection is in, in the caller's transaction; a `new` schema has no table."""
        recorder: Any = MigrationRecorder(connection)
        if new:
            with connection.schema_editor() as editor:
                editor.create_model(recorder.Migration)
        if self.statements:
            with connection.cursor() as cursor:
                cursor.execute("\n".join(self.statements))
        recorder.Migration.objects.using(connection.alias).bulk_create(
            recorder.Migration(app=app, name=name) for app, name in self.migrations
        )


def collected(*, new: bool) -> Script | None:
    """What the schema that the connection is in lacks: everything, if it is `new`. None if some of it is not SQL, or is
    not to run in a transaction.
    """
    executor = MigrationExecutor(connection)
    loader = cast(Any, executor.loader)
    labels = {apps.get_containing_app_config(f"{name}.models").label for name in settings.TENANT_APPS}  # type: ignore[union-attr]
    plan = executor.migration_plan(loader.graph.leaf_nodes(), clean_start=new)
    ours = [(migration, backwards) for migration, backwards in plan if migration.app_label in labels]
    lines = loader.collect_sql(ours)
    if any(_NOT_SQL in line for line in lines) or not all(migration.atomic for migration, _ in ours):
        return None
    return Script(
        statements=tuple(
            line for line in lines if not line.startswith("--") and line not in ("BEGIN;", "COMMIT;")
        ),
        migrations=tuple((migration.app_label, migration.name) for migration, _ in plan),
    )


def applied() -> Names | None:
    """What the schema that the connection is in says it has. None where it has no table that could say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass(quote_ident(current_schema()) || '.django_migrations') IS NOT NULL"
        )
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY app, name")
        return tuple(cursor.fetchall())
