"""A database of one's own for a while: dropped and made anew at each start, beside whatever else the server holds."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from apps.leadership.locks import SCRATCH_CLASS
from apps.tenants.machine import connection_kwargs, database_url

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def drop_database(session: psycopg.Connection[Any], name: str) -> None:
    """If it exists, whoever is connected to it. The session is in autocommit and on another database."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        session.execute(drop + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        # Autovacuum was there, which is a superuser's. It goes for whoever asks without force.
        session.execute(drop)


class ScratchDatabase:
    """`held` is a session on the server's usual database; its lock keeps a second run from dropping this one's.

    `whose` is the command that asks, for its messages.
    """

    def __init__(self, name: str, *, whose: str) -> None:
        if not _NAME.fullmatch(name):
            raise CommandError(
                f"{name!r} cannot name a database: use lower-case letters, digits and underscores."
            )
        if name == connection.settings_dict["NAME"]:
            raise CommandError(f"The {whose} drops its database first; {name!r} is the one in use.")
        self.name = name
        self._whose = whose
        self._made = False
        self.held = psycopg.connect(**connection_kwargs(), autocommit=True)

    def make(self) -> None:
        """Empty and migrated; this process's default connection moves to it. Raises CommandError if it is in use."""
        row = self.held.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [SCRATCH_CLASS, f"demo {self.name}"]
        ).fetchone()
        if row is None or not row[0]:
            raise CommandError(f"Another {self._whose} is running in the database {self.name!r}.")
        drop_database(self.held, self.name)
        try:
            self.held.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        except psycopg.errors.InsufficientPrivilege as error:
            role = self.held.info.user
            raise CommandError(
                f"The role {role!r} may not make a database; ALTER ROLE … CREATEDB lets it."
            ) from error
        self._made = True
        connection.close()
        connection.settings_dict["NAME"] = self.name
        call_command("migrate", verbosity=0, interactive=False)

    def url(self) -> str:
        """As a DATABASE_URL for the children."""
        return database_url()

    def drop(self) -> None:
        """Whatever still uses it, if `make` made it."""
        connection.close()
        if self._made:
            drop_database(self.held, self.name)

    def close(self) -> None:
        connection.close()
        self.held.close()
