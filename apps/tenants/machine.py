"""Sessions of the machine: direct psycopg connections of the leader and the workers, outside Django's handling.

Django closes and reopens connections as it sees fit (`close_old_connections`), which would drop an advisory lock
without a word. These sessions live exactly as long as the object returned, in autocommit, and see every tenant.
"""

from typing import Any, LiteralString, cast
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

# How long a connection may be silent before this side gives it up: a peer that is gone says nothing.
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
}
_DJANGO_ONLY = ("cursor_factory", "context", "prepare_threshold")


def connection_kwargs(*, leader: bool = False) -> dict[str, Any]:
    """Arguments for `psycopg.connect`. `leader` takes the direct route of LEADER_DATABASE_URL where one is set."""
    if leader and settings.LEADER_DATABASE_URL:
        return conninfo_to_dict(settings.LEADER_DATABASE_URL)
    params: dict[str, Any] = cast(Any, connection).get_connection_params()
    return {key: value for key, value in params.items() if key not in _DJANGO_ONLY}


def database_url() -> str:
    """Django's database as a DATABASE_URL, for processes to be started beside this one."""
    params = connection_kwargs()
    login = quote(params.get("user") or "", safe="")
    if params.get("password"):
        login += f":{quote(params['password'], safe='')}"
    # Host and port as options: a socket's directory cannot stand where a host name does.
    names = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey")
    options = {name: str(params[name]) for name in names if params.get(name)}
    return f"postgresql://{login}@/{params['dbname']}?{urlencode(options)}"


def _kwargs(application_name: str, leader: bool) -> dict[str, Any]:
    own = {"application_name": application_name, "autocommit": True}
    return {**PATIENCE, **connection_kwargs(leader=leader), **own}


def _assignment(session_settings: dict[str, str]) -> tuple[LiteralString, list[str]]:
    """By a statement, not as parameters of the start: poolers refuse those, or drop them without a word."""
    assigned = {"search_path": "public", "scheduler.all_tenants": "on", "timezone": "UTC", **session_settings}
    sql: LiteralString = "SELECT " + ", ".join(["set_config(%s, %s, false)"] * len(assigned))
    return sql, [word for pair in assigned.items() for word in pair]


def connect(
    *, application_name: str, leader: bool = False, session_settings: dict[str, str] | None = None
) -> psycopg.Connection[tuple[Any, ...]]:
    """A session that sees all tenants. `session_settings` are Postgres parameters for its whole life.

    Raises `psycopg.OperationalError` when the server cannot be reached.
    """
    session = psycopg.connect(**_kwargs(application_name, leader))
    try:
        session.execute(*_assignment(session_settings or {}), prepare=False)
    except BaseException:
        session.close()
        raise
    return session


async def connect_async(
    *, application_name: str, session_settings: dict[str, str] | None = None
) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """As `connect`, for asyncio."""
    session = await psycopg.AsyncConnection.connect(**_kwargs(application_name, False))
    try:
        await session.execute(*_assignment(session_settings or {}), prepare=False)
    except BaseException:
        await session.close()
        raise
    return session
