"""How `migrate` brings a thousand tenants to this release: statements collected once, replayed in each schema."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management import CommandError
from django.db import DatabaseError, transaction
from django_tenants.migration_executors.base import MigrationExecutor, run_migrations
from django_tenants.postgresql_backend.base import FakeTenant

from apps.tenants.context import tenant_scope
from apps.tenants.schema_scripts import Names, Script, applied, collected

#: With any of these, or an app named, Django's own command does the work, schema by schema.
_OF_DJANGO = ("app_label", "migration_name", "fake", "fake_initial", "plan", "prune", "run_syncdb")


class ReplayExecutor(MigrationExecutor):
    """Each schema in a transaction of its own: what was stopped or failed half-way goes on where it was, next time.

    Migrations that are not SQL, or not atomic, are run by Django.
    """

    codename = "replay"

    def __init__(self, args: Any, options: dict[str, Any]) -> None:
        super().__init__(args, options)
        self._scripts: dict[Names, Script | None] = {}

    def run_migrations(self, tenants: Sequence[str] | None = None) -> None:
        """Raises CommandError that names the schema where it fails; SystemExit with `--check` where something lacks."""
        names = list(tenants or ())
        if self.PUBLIC_SCHEMA_NAME in names or any(self.options.get(option) for option in _OF_DJANGO):
            for number, name in enumerate(names):
                run_migrations(self.args, self.options, self.codename, name, idx=number, count=len(names))
            return
        changed = 0
        for number, name in enumerate(names):
            try:
                changed += self._migrate(name)
            except DatabaseError as error:
                raise CommandError(
                    f"{name}: {error}".strip()
                    + f"\n{number} of {len(names)} schemas are done, {name} is as it was."
                ) from error
        if self.options.get("verbosity", 1) >= 1:
            sys.stdout.write(
                f"Tenants' schemas: {len(names)}, of which {changed} were brought up to this release.\n"
            )

    def _migrate(self, name: str) -> bool:
        with tenant_scope(FakeTenant(name)), transaction.atomic():
            state = applied()
            script = self._script(state) if state is not None else None
            if script is not None and script.migrations and not self.options.get("check_unapplied"):
                script.replay()
        if self.options.get("check_unapplied") and (script is None or script.migrations):
            sys.stdout.write(f"{name} is not migrated.\n")
            raise SystemExit(1)
        if script is None:
            run_migrations(self.args, self.options, self.codename, name)
            return True
        return bool(script.migrations)

    def _script(self, state: Names) -> Script | None:
        if state not in self._scripts:
            self._scripts[state] = collected(new=False)
        return self._scripts[state]


def executor(codename: str | None = None) -> type[MigrationExecutor]:
    """`GET_EXECUTOR_FUNCTION` of django-tenants: ours, unless `--executor` names another."""
    from django_tenants.migration_executors import get_executor

    chosen: type[MigrationExecutor] = get_executor(codename or ReplayExecutor.codename)
    return chosen
