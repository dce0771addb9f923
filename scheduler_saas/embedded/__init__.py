"""Postgres for a checkout without one: started on the first connection while DATABASE_URL is unset.

- Several processes may ask at once; one starts the server, under a lock, and all get the same one.
- The server outlives the process that started it, however that one dies.
- Every process using it holds a shared lock that the kernel drops at its death, so `stop()` knows of other users.
- The application's role is a plain one, as row security needs. Only the owner of the files reaches the socket.

The variables are read here and not in the settings, because `make clean` runs this without them:
EMBEDDED_POSTGRES_DATA (directory, default var/) and EMBEDDED_POSTGRES_BIN (other binaries, with their own data).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from typing import Any
from urllib.parse import urlencode

import psycopg

from scheduler_saas.embedded import server
from scheduler_saas.embedded.locks import locked, open_lock
from scheduler_saas.embedded.server import PORT
from scheduler_saas.embedded.site import EmbeddedPostgresError, Site, short_socket, site_from_environment

__all__ = [
    "EmbeddedPostgresError",
    "connection_settings",
    "database_url",
    "is_configured",
    "remove",
    "started_here",
    "stop",
]

ROLE = DATABASE = "scheduler"


class _Process:
    """What this process knows and holds."""

    guard = threading.RLock()
    site: Site | None = None
    in_use: int | None = None  # descriptor of the shared lock
    started = False


def is_configured() -> bool:
    """True when the embedded server is the database: DATABASE_URL is unset or empty."""
    return not os.environ.get("DATABASE_URL")


def connection_settings() -> dict[str, str]:
    """HOST, PORT, USER, PASSWORD and NAME as in `DATABASES`; starts the server unless it runs.

    Cheap when called again. Raises EmbeddedPostgresError when DATABASE_URL is set, or the server cannot be had.
    """
    if not is_configured():
        raise EmbeddedPostgresError("DATABASE_URL is set: the embedded Postgres is not used")
    with _Process.guard:
        if _Process.site is None or not server.is_alive(_Process.site):
            _Process.site = site_from_environment()
            _join(_Process.site)
        return {
            "HOST": str(_Process.site.socket),
            "PORT": PORT,
            "USER": ROLE,
            "PASSWORD": "",
            "NAME": DATABASE,
        }


def database_url(name: str = DATABASE) -> str:
    """The server as a DATABASE_URL, for a child process that shall use the database `name`."""
    host = connection_settings()["HOST"]
    return f"postgresql://{ROLE}@/{name}?{urlencode({'host': host, 'port': PORT})}"


def started_here() -> bool:
    """True when this very process started the server."""
    return _Process.started


def stop(*, force: bool = False) -> bool:
    """Stop the server unless another process uses it (`force`: even then). Returns whether it is down now."""
    with _Process.guard:
        site = _Process.site or site_from_environment()
        with locked(site.home / "lock"):
            if not force and not _is_unused(site):
                return False
            server.stop(site.home)
        _leave()
        return True


def remove() -> None:
    """Stop every server of this checkout, whatever its version, and delete what it kept."""
    with _Process.guard:
        site = _Process.site or site_from_environment()
        _leave()
        for root in {site.root, site.home.parent}:
            for home in root.glob("postgres-*"):
                with locked(home / "lock"):
                    server.stop(home)
                    shutil.rmtree(home)
                shutil.rmtree(short_socket(home), ignore_errors=True)
        if site.home.parent != site.root:
            shutil.rmtree(site.home.parent)


def _join(site: Site) -> None:
    with locked(site.home / "lock"):
        admin, _Process.started = server.connect_or_start(site)
        with admin:
            _create_role_and_database(admin)
        if _Process.in_use is None:
            _Process.in_use = open_lock(site.home / "users.lock")
        fcntl.flock(_Process.in_use, fcntl.LOCK_SH)


def _leave() -> None:
    if _Process.in_use is not None:
        os.close(_Process.in_use)
    _Process.site, _Process.in_use, _Process.started = None, None, False


def _create_role_and_database(admin: psycopg.Connection[Any]) -> None:
    if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
        # CREATEDB is for the tests. Neither superuser nor BYPASSRLS: both would see through row security.
        admin.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS")
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def _is_unused(site: Site) -> bool:
    if _Process.in_use is not None:
        users, own = _Process.in_use, None
    else:
        users = own = open_lock(site.home / "users.lock")
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if own is None:  # a refused conversion has dropped the lock we had
            fcntl.flock(users, fcntl.LOCK_SH)
        return False
    finally:
        if own is not None:
            os.close(own)
    return True
