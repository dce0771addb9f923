"""Behind a real PgBouncer: by the transaction each process refuses, with the reason; by the session all of it works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from apps.executions.models import ExecutionLog
from apps.leadership.fitness import UnfitServer
from apps.leadership.session import connect
from apps.leadership.timings import Timings
from apps.tenants.context import tenant_scope
from scheduler_saas.postgres.base import DatabaseWrapper
from tests.clusters import manage
from tests.pgbouncer import pgbouncer, program
from tests.replicas import running_command, wait_for
from tests.workers import execution, put

pytestmark = pytest.mark.skipif(program() is None, reason="needs a pooler: install Debian's pgbouncer")

REASON = "a pooler in transaction mode is in the way"
# How people make PgBouncer swallow what a driver sets at the start of a session.
LENIENT = {"ignore_startup_parameters": "extra_float_digits,options"}


@pytest.fixture(scope="module")
def by_transaction(django_db_setup: None) -> Iterator[str]:
    with pgbouncer("transaction", **LENIENT) as url:
        yield url


@pytest.fixture(scope="module")
def by_session(django_db_setup: None) -> Iterator[str]:
    with pgbouncer("session") as url:
        yield url


@pytest.fixture
def routed(live_db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Sends Django's connection of this process by a URL."""
    wrapper: Any = connection

    def to(url: str) -> None:
        wrapper.close()
        wrapper.direct_route = url
        monkeypatch.setattr(DatabaseWrapper, "_accepted_routes", set())

    yield to
    wrapper.direct_route = ""
    wrapper.close()


@pytest.mark.parametrize("command", [["run_scheduler"], ["check_due_tasks"], ["run_worker", "--drain"]])
def test_every_process_refuses_transaction_mode(
    live_db: str, by_transaction: str, command: list[str]
) -> None:
    done = manage(by_transaction, *command)
    assert done.returncode == 1
    assert REASON in done.stderr
    assert "LEADER_DATABASE_URL" in done.stderr


def test_a_leader_refuses_transaction_mode_of_its_own_route_too(
    live_db: str, by_transaction: str, settings: Any
) -> None:
    settings.LEADER_DATABASE_URL = by_transaction
    with pytest.raises(UnfitServer, match=REASON):
        connect(replica="test", timings=Timings())


def test_the_web_serves_nothing_by_transaction_mode_and_says_that_it_is_not_ready(
    routed: Any, by_transaction: str, acme: Any
) -> None:
    routed(by_transaction)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["isolation"]) == (503, REASON)
    with pytest.raises(UnfitServer, match=REASON):
        Client(headers={"Host": f"{acme.schema_name}.localhost"}).get("/api/scheduler/jobs")
    assert Client().get("/healthz").status_code == 200


def test_without_the_refusal_a_tenant_would_be_shown_anothers_scope(
    live_db: str, by_transaction: str
) -> None:
    """Why: what one client sets for its session is what the next client finds in its own."""
    with (
        psycopg.connect(by_transaction, autocommit=True) as one,
        psycopg.connect(by_transaction, autocommit=True) as two,
    ):
        one.execute("SELECT set_config('search_path', 'acme', false)")
        assert two.execute("SELECT current_setting('search_path')").fetchone() == ("acme",)


def test_a_scheduler_with_a_direct_route_leads_beside_a_pool_in_transaction_mode(
    live_db: str, by_transaction: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADER_DATABASE_URL", live_db)
    with running_command(by_transaction, tmp_path / "log", "run_scheduler", "--replica", "direct") as process:
        assert _led(live_db, "direct"), (tmp_path / "log").read_text()
        process.terminate()
        assert process.wait(10) == 0


def test_everything_works_by_session_mode(
    live_db: str, by_session: str, acme: Any, session: Any, tmp_path: Path, routed: Any
) -> None:
    """Settings of sessions go by statements: PgBouncer refuses them in the first message, or drops them."""
    (one,) = put(session, acme, execution(acme))
    with running_command(by_session, tmp_path / "log", "run_scheduler", "--replica", "pooled") as process:
        assert _led(live_db, "pooled"), (tmp_path / "log").read_text()
        idle = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'scheduler leader%'"
        assert session.execute(idle).fetchall()
        process.terminate()
        assert process.wait(10) == 0
    done = manage(by_session, "run_worker", "--drain")
    assert (done.returncode, done.stdout.strip()) == (0, "1 claimed, 1 completed"), done.stderr
    routed(by_session)
    assert Client().get("/readyz").status_code == 200
    with tenant_scope(acme):
        assert ExecutionLog.objects.get().pk == one


def _led(url: str, replica: str) -> bool:
    with psycopg.connect(url, autocommit=True) as session:
        sql = "SELECT 1 FROM leadership_leaderterm WHERE replica = %s AND ended_at IS NULL"
        return bool(wait_for(lambda: session.execute(sql, [replica]).fetchone(), f"{replica} leads"))
