"""An edit that commits while a statement of the dispatcher's is already under way: the newest row is what counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import pytest

from apps.jobs import dispatch_sql, services
from apps.jobs.batches import plan_due
from apps.jobs.models import Cursor
from apps.jobs.rows import Held
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from tests.dispatching import leading
from tests.factories import make_job
from tests.replicas import wait_for

GATE = 4242


@pytest.fixture
def led(live_db: str) -> Iterator[tuple[LeaderSession, datetime]]:
    with leading() as pair:
        yield pair


class Gated:
    """A cursor whose statement waits at an advisory lock once it has its snapshot, before it looks at any row."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self.cursor = cursor

    def execute(self, text: str, params: Any, prepare: bool | None = None) -> None:
        gated = text.replace(
            "WITH given AS MATERIALIZED (",
            f"WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock({GATE})), given AS MATERIALIZED (",
            1,
        )
        gated = gated.replace("FROM unnest(", "FROM gate CROSS JOIN unnest(", 1)
        assert gated.count("gate") == 2
        self.cursor.execute(gated, params)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.cursor)


@pytest.mark.parametrize("change", ["edit", "pause", "nothing"])
def test_an_edit_that_commits_between_snapshot_and_lock_wins(
    acme: Any, led: tuple[LeaderSession, datetime], change: str
) -> None:
    leader, now = led
    jobs = [make_job(acme, name=name) for name in ("edited", "another")]
    due = now.replace(second=0, microsecond=0)
    Cursor.objects.update(next_run_at=due)
    parts = plan_due(dispatch_sql.read_due(leader, chunk=10)).planned
    assert sum(part.n for part in parts) == 2
    held: list[Held] = []

    with (
        machine.connect(application_name="gate") as gate,
        machine.connect(application_name="held up") as session,
    ):
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])

        def hold() -> None:
            with session.transaction(), session.cursor() as cursor:
                held.extend(dispatch_sql.hold_cursors(Gated(cursor), parts, most=1))  # type: ignore[arg-type]

        thread = threading.Thread(target=hold)
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        wait_for(lambda: gate.execute(waiting, [GATE]).fetchone() == (1,), "the statement at the gate")
        if change == "edit":
            services.job_update(tenant=acme, job_id=jobs[0].pk, changes={"name": "renamed"}, actor="tests")
        elif change == "pause":
            services.job_pause(tenant=acme, job_id=jobs[0].pk, actor="tests")
        gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        thread.join(30)

    found = {int(job_id) for piece in held for job_id in piece.job_ids.split(",")}
    assert found == ({jobs[1].pk} if change != "nothing" else {job.pk for job in jobs})


def test_an_execution_names_a_job_of_its_own_tenant(
    acme: Any, bravo: Any, led: tuple[LeaderSession, datetime]
) -> None:
    leader, now = led
    make_job(acme)
    theirs = make_job(bravo)
    Cursor.objects.update(next_run_at=now)
    part = plan_due(dispatch_sql.read_due(leader, chunk=10)).planned[0]
    mine = replace(part, n=1, job_ids=part.job_ids.split(",")[0], versions="1")
    with leader.transaction() as cursor:
        dispatch_sql.dispatch(cursor, [mine], epoch=leader.epoch)
    with machine.connect(application_name="confused") as session:
        for statement in (
            "INSERT INTO executions_execution SELECT (jsonb_populate_record(NULL::executions_execution,"
            " to_jsonb(e) || jsonb_build_object('id', -1, 'job_id', %s::bigint))).* FROM executions_execution e",
            "UPDATE executions_execution SET job_id = %s",
        ):
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                session.execute(statement, [theirs.pk])
