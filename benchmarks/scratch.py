"""A migrated database that lasts for one measurement."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
import psycopg
from psycopg import sql

TENANTS = 4


@contextmanager
def scratch_database(tenants: int = TENANTS) -> Iterator[list[int]]:
    """Configure Django on a new database of the configured server; yields the ids of its tenants.

    Raises psycopg.errors.InsufficientPrivilege when the role may not create databases.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_saas.settings.test")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from apps.tenants import machine, services

    settings.LEADER_DATABASE_URL = ""  # it leads to the deployment's own database
    name = f"scheduler_bench_{os.getpid()}"
    server = machine.connection_kwargs()
    _on_server(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    wrapper: Any = connection
    try:
        wrapper.close()
        wrapper.settings_dict["NAME"] = name
        call_command("migrate", verbosity=0, interactive=False)
        made = [
            services.tenant_create(schema_name=f"bench{number}", name=f"Bench {number}", actor="benchmark")
            for number in range(tenants)
        ]
        yield [tenant.pk for tenant in made]
    finally:
        wrapper.close()
        _on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _on_server(server: dict[str, Any], statement: sql.Composed) -> None:
    with psycopg.connect(**server, autocommit=True) as session:
        session.execute(statement)


def server_facts(session: psycopg.Connection[Any]) -> str:
    """The settings that these figures depend on, in a line."""
    names = ("server_version", "shared_buffers", "fsync", "synchronous_commit")
    rows = session.execute(
        "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(names)]
    ).fetchall()
    return ", ".join(f"{name} {value}" for name, value in rows) + f", {os.cpu_count()} cores"
