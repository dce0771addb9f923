"""The dispatcher's plans on a leader's session: by key, whatever the statistics say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql as composed

from apps.jobs.statements import sql
from apps.leadership.timings import Timings
from apps.tenants import machine

Session = psycopg.Connection[tuple[Any, ...]]
DUE = datetime(2026, 1, 1, tzinfo=UTC)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def explain(session: Session, name: str, params: dict[str, Any], *, prepare: bool) -> list[dict[str, Any]]:
    row = session.execute("EXPLAIN (FORMAT json) " + sql(name), params, prepare=prepare).fetchone()
    assert row is not None
    return list(nodes(row[0][0]["Plan"]))


@pytest.fixture(params=[False, True], ids=["stale", "analyzed"])
def crowd(request: pytest.FixtureRequest, acme: Any, live_db: str) -> Iterator[Session]:
    """10,000 cursors, a few of them due, and statistics that may know of none; on a session set up like a leader's."""
    session_settings = Timings.from_settings().session_settings()
    with machine.connect(application_name="crowd", session_settings=session_settings) as session:
        # Pages whose rows were all undone, as other tests leave them, are counted as pages without rows.
        session.execute("TRUNCATE jobs_job, jobs_cursor, executions_execution CASCADE")
        session.execute("ANALYZE jobs_job, jobs_cursor, executions_execution")
        session.execute(
            "WITH job AS (INSERT INTO jobs_job (tenant_id, name, trigger_type, target, task_type)"
            " SELECT %s, 'job ' || n, 'interval', 'tests.noop', 'noop' FROM generate_series(1, 10000) AS n"
            " RETURNING id)"
            " INSERT INTO jobs_cursor (job_id, tenant_id, lane, next_run_at)"
            " SELECT id, %s, 1 + id %% 4, clock_timestamp() + (id %% 1000 - 2) * interval '1 minute' FROM job",
            [acme.pk, acme.pk],
        )
        if request.param:
            session.execute("ANALYZE jobs_job, jobs_cursor")
        yield session


def ids(session: Session, n: int) -> str:
    found = [str(job_id) for (job_id,) in session.execute("SELECT job_id FROM jobs_cursor LIMIT %s", [n])]
    return f"{{{','.join(found)}}}"


def array(value: Any, n: int) -> str:
    return f"{{{','.join([str(value)] * n)}}}"


def by_key(used: list[dict[str, Any]]) -> None:
    for node in used:
        assert node["Node Type"] not in ("Seq Scan", "Bitmap Heap Scan")
        if node.get("Relation Name") in ("jobs_cursor", "jobs_job"):
            assert node.get("Index Name", "").endswith("_pkey") or node["Node Type"] == "ModifyTable", node
            assert node["Node Type"] == "ModifyTable" or "Index Cond" in node
    joins = [node for node in used if node["Node Type"] == "Nested Loop"]
    assert joins == []


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_due_jobs_are_found_by_their_lanes(crowd: Session, mode: str) -> None:
    crowd.execute(composed.SQL("SET plan_cache_mode = {}").format(composed.Identifier(mode)))

    used = explain(crowd, "read_due", {"chunk": 1000}, prepare=True)

    cursors = [node for node in used if node.get("Relation Name") == "jobs_cursor"]
    assert [(node["Node Type"], node["Index Name"]) for node in cursors] == [("Index Scan", "cursor_due")] * 2
    assert all("lane = " in node["Index Cond"] and "next_run_at" in node["Index Cond"] for node in cursors)
    jobs = [node for node in used if node.get("Relation Name") == "jobs_job"]
    assert [node["Index Name"] for node in jobs] == ["jobs_job_pkey"]


@pytest.mark.parametrize("n", [100, 5000])
def test_cursors_are_held_by_their_key(crowd: Session, n: int) -> None:
    params = {
        "job_ids": ids(crowd, n),
        "versions": array(1, n),
        "parts": array(1, n),
        "dues": [DUE],
        "asks": [1],
        "most": 100,
    }
    used = explain(crowd, "hold_cursors", params, prepare=False)

    by_key(used)
    live = [node for node in used if node.get("Relation Name") == "executions_execution"]
    assert {node["Index Name"] for node in live} == {"execution_one_per_tick"}


@pytest.mark.parametrize("n", [100, 5000])
def test_plans_are_written_by_keys_and_hashes(crowd: Session, n: int) -> None:
    params: dict[str, Any] = {
        "job_ids": ids(crowd, n),
        "parts": array(1, n),
        "fire_parts": [1],
        "ticks": [DUE],
        "run_ats": [DUE],
        "spreads": [0.0],
        **{name: [] for name in ("skip_parts", "firsts", "lasts", "counts", "reasons", "details")},
        "accounted": [DUE],
        "next_run_ats": [DUE + timedelta(hours=1)],
        "founds": [1],
        "skippeds": [0],
        "epoch": 1,
        "careful": False,
    }
    used = explain(crowd, "dispatch", params, prepare=False)

    by_key(used)
    # A tenant's last rank is looked up for each tenant of the batch: walking the queue for it costs all that waits.
    looked_up = [
        node for node in used if node.get("Relation Name") == "executions_execution" and "Index Name" in node
    ]
    assert {"execution_to_claim", "execution_of_tenant"} <= {node["Index Name"] for node in looked_up}
    assert all(
        "tenant_id" in node["Index Cond"] for node in looked_up if node["Index Name"] == "execution_of_tenant"
    )
    assert [node["Index Name"] for node in looked_up].count("execution_to_claim") == 1
