"""The demo's own database: dropped and made anew at each start, beside whatever else the server holds."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from apps.tenants.machine import connection_kwargs, database_url

_LOCK_CLASS = 0x5C4E
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def drop_database(session: psycopg.Connection[Any], name: str) -> None:
    """If it exists, whoever is connected to it. The session is in autocommit and on another database."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        session.execute(drop + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        # Autovacuum was there, which is a superuser's. It goes for whoever asks without force.
        session.execute(drop)


class DemoDatabase:
    """`held` is a session on the server's usual database; its lock keeps a second demo from dropping this one's."""

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise CommandError(
                f"{name!r} cannot name a database: use lower-case letters, digits and underscores."
            )
        if name == connection.settings_dict["NAME"]:
            raise CommandError(f"The demo drops its database first; {name!r} is the one in use.")
        self.name = name
        self.held = psycopg.connect(**connection_kwargs(), autocommit=True)

    def make(self) -> None:
        """Empty and migrated; this process's default connection moves to it. Raises CommandError if it is in use."""
        row = self.held.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [_LOCK_CLASS, f"demo {self.name}"]
        ).fetchone()
        if row is None or not row[0]:
            raise CommandError(f"Another demo is running in the database {self.name!r}.")
        name = sql.Identifier(self.name)
        drop_database(self.held, self.name)
        self.held.execute(sql.SQL("CREATE DATABASE {}").format(name))
        connection.close()
        connection.settings_dict["NAME"] = self.name
        call_command("migrate", verbosity=0, interactive=False)

    def url(self) -> str:
        """As a DATABASE_URL for the children."""
        return database_url()

    def close(self) -> None:
        connection.close()
        self.held.close()
