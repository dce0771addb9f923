"""Sessions of the machine: direct psycopg connections of the leader and the workers, outside Django's handling.

Django closes and reopens connections as it sees fit (`close_old_connections`), which would drop an advisory lock
without a word. These sessions live exactly as long as the object returned, in autocommit, and see every tenant.
"""

from typing import Any, cast
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.db import connection

_DJANGO_ONLY = ("cursor_factory", "context", "prepare_threshold")


def connection_kwargs(*, leader: bool = False) -> dict[str, Any]:
    """Arguments for `psycopg.connect`. `leader` takes the direct route of LEADER_DATABASE_URL where one is set."""
    if leader and settings.LEADER_DATABASE_URL:
        return {"conninfo": settings.LEADER_DATABASE_URL}
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


def _session(application_name: str, leader: bool, session_settings: dict[str, str]) -> dict[str, Any]:
    kwargs = connection_kwargs(leader=leader)
    assigned = {"search_path": "public", "scheduler.all_tenants": "on", "timezone": "UTC", **session_settings}
    options = " ".join(f"-c {name}={value}" for name, value in assigned.items())
    kwargs["options"] = " ".join(part for part in (kwargs.get("options"), options) if part)
    keepalives = {
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 4000,
    }
    # A replica that is told to stop while it connects must not wait for minutes.
    return {
        "connect_timeout": 5,
        **keepalives,
        **kwargs,
        "application_name": application_name,
        "autocommit": True,
    }


def connect(
    *, application_name: str, leader: bool = False, session_settings: dict[str, str] | None = None
) -> psycopg.Connection[tuple[Any, ...]]:
    """A session that sees all tenants. `session_settings` are Postgres parameters for its whole life.

    Raises `psycopg.OperationalError` when the server cannot be reached.
    """
    return psycopg.connect(**_session(application_name, leader, session_settings or {}))


async def connect_async(
    *, application_name: str, session_settings: dict[str, str] | None = None
) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """As `connect`, for asyncio."""
    kwargs = _session(application_name, False, session_settings or {})
    return await psycopg.AsyncConnection.connect(**kwargs)
