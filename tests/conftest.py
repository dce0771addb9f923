"""One database a test process, two tenants in it for the whole session, and two ways to use it.

`db` (pytest-django's) runs a test in a transaction that is rolled back. `live_db` is for tests with several sessions or
processes: what they commit is removed afterwards, and the tenants stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from apps.executions.queue import PINNED_PLANS
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.machine import database_url
from tests.casts import Cast
from tests.factories import PlanFactory, TenantFactory
from tests.plugins import POSTGRES
from tests.workers import Session, WorkerProcess, workers

pytest_plugins = [
    "tests.dashboard_browser",
    "tests.plugins.matrix",
    "tests.plugins.no_skips",
    "tests.plugins.notifying",
    "tests.plugins.operators",
    "tests.plugins.watch",
    "tests.plugins.worlds",
]

# What the session's tenants are made of; everything else is emptied after a `live_db` test.
_KEPT = [
    "tenants_plan",
    "tenants_tenant",
    "tenants_domain",
    "django_migrations",
    "django_content_type",
    "auth_permission",
]
# Tables with a page or statistics, their own or a partition's: a test writes to few, and to truncate all takes long.
_WRITTEN_TO = """
SELECT format('%%I.%%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL(%(kept)s)
    AND EXISTS (
        SELECT FROM pg_class t
        WHERE (t.oid = c.oid OR t.oid IN (SELECT relid FROM pg_partition_tree(c.oid)))
            AND (pg_relation_size(t.oid) > 0 OR t.reltuples >= 0)
    )
"""


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """The test database, whoever asks. pytest-django's own looks for tests that use `db`; where all that were chosen
    use `live_db` it makes none and leaves the connection on the real one.
    """
    with django_db_blocker.unblock():
        keep = django_db_keepdb and not django_db_createdb
        made = setup_databases(verbosity=request.config.option.verbose, interactive=False, keepdb=keep)
        version = connection.cursor().connection.info.server_version
        request.config.stash[POSTGRES] = f"{version // 10_000}.{version % 10_000}"
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity=request.config.option.verbose)


@pytest.fixture(scope="session")
def _session_tenants(django_db_setup: None, django_db_blocker: Any) -> dict[str, Any]:
    with django_db_blocker.unblock():
        plan = PlanFactory(name="tests")
        return {
            "plan": plan,
            "acme": TenantFactory(schema_name="acme", name="Acme", plan=plan),
            "bravo": TenantFactory(schema_name="bravo", name="Bravo", plan=plan),
        }


@pytest.fixture(scope="session")
def plan(_session_tenants: dict[str, Any]) -> Any:
    return _session_tenants["plan"]


@pytest.fixture(scope="session")
def acme(_session_tenants: dict[str, Any]) -> Any:
    return _session_tenants["acme"]


@pytest.fixture(scope="session")
def bravo(_session_tenants: dict[str, Any]) -> Any:
    return _session_tenants["bravo"]


@pytest.fixture(autouse=True)
def _outside_every_tenant() -> Iterator[None]:
    yield
    wrapper: Any = connection
    wrapper.set_schema_to_public()


@pytest.fixture
def live_db(_session_tenants: dict[str, Any], django_db_blocker: Any) -> Iterator[str]:
    """Commits are real. Yields the database's URL for other processes."""
    with django_db_blocker.unblock():
        try:
            yield database_url()
        finally:
            _empty(_session_tenants)
            connection.close()


def _empty(tenants: dict[str, Any]) -> None:
    wrapper: Any = connection
    if wrapper.in_atomic_block:
        raise RuntimeError("a live_db test left a transaction open")
    wrapper.set_schema_to_public()
    with wrapper.cursor() as cursor:
        # A test that failed may have left sessions holding locks; they end with their processes, or here.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, CASE WHEN xact_start IS NULL THEN 0 ELSE 5000 END) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
        )
        schemas = [tenants["acme"].schema_name, tenants["bravo"].schema_name]
        cursor.execute(_WRITTEN_TO, {"schemas": ["public", *schemas], "kept": _KEPT})
        if tables := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        wrapper.migrating = True
        try:
            with wrapper.cursor() as machine:
                machine.execute(
                    "DELETE FROM tenants_domain WHERE tenant_id <> ALL(%s)",
                    [[tenants["acme"].pk, tenants["bravo"].pk]],
                )
                machine.execute(
                    "DELETE FROM tenants_tenant WHERE schema_name <> ALL(%s) RETURNING schema_name", [schemas]
                )
                left = [name for (name,) in machine.fetchall()]
                machine.execute("UPDATE tenants_tenant SET status = 'active' WHERE status <> 'active'")
        finally:
            wrapper.migrating = False
    for schema in left:
        with wrapper.cursor() as cursor:
            cursor.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@pytest.fixture
def cast(acme: Any) -> Any:
    """Acme's people (needs `db` or `live_db`)."""
    return Cast(acme)


@pytest.fixture
def other_cast(bravo: Any) -> Any:
    """Bravo's people: Charlie's side of every isolation test."""
    return Cast(bravo)


@pytest.fixture
def all_tenants(live_db: str) -> Iterator[None]:
    """The test sees every tenant's rows, as the machine does."""
    with all_tenants_scope():
        yield


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    """A session that is planned for as a worker's."""
    with machine.connect(application_name="tests", session_settings=PINNED_PLANS) as session:
        yield session


@pytest.fixture
def start(live_db: str, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts a worker process, by name; ended with the test."""
    with workers(live_db, tmp_path) as start:
        yield start
