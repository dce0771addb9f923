"""The statements of the queue, on real sessions."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from apps.executions import ledger, queue
from apps.executions.cancellation import cancel
from apps.executions.exclusive import numbered
from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, ExecutionOutput, OutcomeNote
from apps.executions.queue import PINNED_PLANS, Claimed, Finished, Released
from apps.executions.selectors import execution_attempts
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.workers import Session, end_of, execution


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=PINNED_PLANS) as session:
        yield session


@pytest.fixture
def everyone(live_db: str) -> Iterator[None]:
    with all_tenants_scope():
        yield


def claim(
    session: Session, limit: int = 100, lease_seconds: float = 30.0, worker: str = "w"
) -> list[Claimed]:
    with session.cursor() as cursor:
        return list(queue.claim(worker=worker, limit=limit, lease_seconds=lease_seconds).on(cursor))


def test_claim_takes_what_is_due_by_priority_then_age(session: Session, acme: Any) -> None:
    old = execution(acme)
    rows = [
        execution(acme, run_at=old.run_at + timedelta(milliseconds=5), job_name="second"),
        execution(acme, run_at=old.run_at, job_name="first"),
        execution(acme, run_at=old.run_at + timedelta(milliseconds=9), job_name="urgent", priority=5),
        execution(acme, run_at=old.run_at + timedelta(hours=1), job_name="later", priority=9),
    ]
    with session.cursor() as cursor:
        queue.enqueue(cursor, rows)
    assert [row.job_name for row in claim(session, limit=2)] == ["urgent", "first"]
    (last,) = claim(session)
    assert (last.job_name, last.attempt, last.lost) == ("second", 1, 0)
    assert claim(session) == []


def test_racing_claimers_get_disjoint_rows(session: Session, everyone: None, acme: Any, bravo: Any) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(tenant) for tenant in (acme, bravo) for _ in range(300)])
    taken: list[list[Claimed]] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def take() -> None:
        try:
            with machine.connect(application_name="tests", session_settings=PINNED_PLANS) as own:
                barrier.wait(10)
                while rows := claim(own, limit=7):
                    assert len(rows) <= 7
                    taken.append(rows)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    # A short batch under contention ends a claimer; the queue itself must be complete.
    taken.append(claim(session, limit=600))
    times_taken = Counter(row.id for rows in taken for row in rows)
    assert len(times_taken) == 600
    assert set(times_taken.values()) == {1}
    tokens = {row.token for rows in taken for row in rows}
    assert len(tokens) == 600
    assert Execution.objects.filter(state="leased", attempt=1).count() == 600


def test_complete_moves_everything_in_one_go(session: Session, everyone: None, acme: Any) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme, user_id=None, legacy_user_id=41), execution(acme)])
        good, bad = sorted(claim(session), key=lambda row: row.id)
        done = queue.complete([end_of(good), end_of(bad, "failed")]).on(cursor)
    assert done == (2, 0, 0)
    assert not Execution.objects.exists()
    logs = {log.pk: log for log in ExecutionLog.objects.all()}
    assert (logs[good.id].status, logs[good.id].execution_time_ms, logs[good.id].attempts) == (
        "success",
        500,
        1,
    )
    assert (logs[bad.id].status, logs[bad.id].error_message, logs[bad.id].worker) == (
        "failed",
        "it failed",
        "w",
    )
    # The ledger's row is the record of the attempt that ended it.
    assert not Attempt.objects.exists()
    (tried,) = execution_attempts(execution=logs[bad.id])
    assert (tried.attempt, tried.outcome, str(tried.lease_token), tried.worker) == (
        1,
        "failed",
        bad.token,
        "w",
    )
    assert (tried.error_message, tried.finished_at) == ("it failed", logs[bad.id].finished_at)
    assert sorted(Delta.objects.values_list("user_key", "status", "n")) == [
        ("41", "success", 1),
        ("u-1", "failed", 1),
    ]
    with tenant_scope(acme):
        outputs = {row.execution_id: row for row in ExecutionOutput.objects.all()}
    assert outputs[good.id].result == {"n": 1}
    assert outputs[bad.id].error_text == "a customer's words"


def test_outputs_are_the_tenants_alone(session: Session, everyone: None, acme: Any, bravo: Any) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme)])
        queue.complete([end_of(row) for row in claim(session)]).on(cursor)
        assert cursor.execute("SELECT count(*) FROM executions_executionoutput").fetchall() == [(0,)]
    assert ExecutionOutput.objects.count() == 0
    with tenant_scope(bravo):
        assert ExecutionOutput.objects.count() == 0
    with tenant_scope(acme):
        assert ExecutionOutput.objects.count() == 1


@pytest.mark.parametrize("verb", ["complete", "retry", "release", "renew"])
def test_stale_token_changes_nothing_and_is_counted(
    session: Session, everyone: None, acme: Any, verb: str
) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme)])
        (row,) = claim(session)
        before = Execution.objects.values().get()
        stale = row._replace(token=str(uuid4()))
        if verb == "complete":
            assert queue.complete([end_of(stale)]).on(cursor) == (0, 1, 0)
        elif verb == "retry":
            attempt = {
                "outcome": "failed",
                "error_message": "x",
                "started": 1.0,
                "finished": 2.0,
                "delay": 0.0,
            }
            failed: Any = {"id": stale.id, "token": stale.token, **attempt}
            assert queue.retry([failed], worker="w").on(cursor) == (0, 1)
        elif verb == "release":
            begun: Any = {"id": stale.id, "token": stale.token, "started": 1.0, "finished": 2.0}
            assert queue.release([begun], worker="w").on(cursor) == (0, 1)
        else:
            lease: Any = {"id": stale.id, "token": stale.token}
            assert queue.renew([lease], lease_seconds=99).on(cursor) == set()
    assert Execution.objects.values().get() == before
    assert not Attempt.objects.exists()
    assert not ExecutionLog.objects.exists()
    assert not Delta.objects.exists()


def test_token_of_another_row_of_the_batch_is_no_proof(session: Session, everyone: None, acme: Any) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme), execution(acme)])
        one, two = claim(session)
        swapped = [end_of(one._replace(token=two.token)), end_of(two._replace(token=one.token))]
        assert queue.complete(swapped).on(cursor) == (0, 2, 0)
    assert Execution.objects.count() == 2


def test_second_completion_of_a_tick_is_refused_and_counted(
    session: Session, everyone: None, acme: Any
) -> None:
    tick = execution(acme)
    with session.cursor() as cursor:
        queue.enqueue(cursor, [tick])
        assert queue.enqueue(cursor, [tick]) == []  # while it is live it cannot be made again
        queue.complete([end_of(row) for row in claim(session)]).on(cursor)
        queue.enqueue(cursor, [tick])  # as after a cursor that went back
        assert queue.complete([end_of(row, "failed") for row in claim(session)]).on(cursor) == (0, 0, 1)
    assert ExecutionLog.objects.values_list("status", flat=True).get() == "success"
    assert not Execution.objects.exists()
    assert Attempt.objects.get().outcome == "failed"  # that it ran twice is on record
    assert sum(Delta.objects.values_list("n", flat=True)) == 1
    with tenant_scope(acme):
        assert ExecutionOutput.objects.count() == 1


def test_manual_runs_of_one_instant_are_not_ticks(session: Session, everyone: None, acme: Any) -> None:
    manual = execution(acme, kind="manual")
    with session.cursor() as cursor:
        assert len(queue.enqueue(cursor, [manual, replace(manual, kind="retry", retry_of=5)])) == 2
        assert queue.complete([end_of(row) for row in claim(session)]).on(cursor) == (2, 0, 0)
        assert len(queue.enqueue(cursor, [manual])) == 1
        assert queue.complete([end_of(row) for row in claim(session)]).on(cursor) == (1, 0, 0)
    assert ExecutionLog.objects.filter(kind="manual").count() == 2
    assert ExecutionLog.objects.get(kind="retry").retry_of == 5


def test_note_tells_a_job_how_the_flush_ended(session: Session, everyone: None, acme: Any) -> None:
    first = execution(acme)
    rows = [
        execution(acme, job_id=first.job_id, scheduled_for=first.scheduled_for - timedelta(minutes=n))
        for n in range(5)
    ]
    with session.cursor() as cursor:
        queue.enqueue(cursor, rows)
        claimed = claim(session)
        statuses = ["failed", "success", "failed", "failed", "failed"]
        ends = [
            end_of(row, status, started=claimed[0].leased_at, finished=claimed[0].leased_at + n)
            for n, (row, status) in enumerate(zip(claimed, statuses, strict=True))
        ]
        queue.complete(ends).on(cursor)
    note = OutcomeNote.objects.get()
    assert (note.job_id, note.execution_id, note.status) == (first.job_id, claimed[-1].id, "failed")
    assert (note.successes, note.failures, note.trailing_failures) == (1, 4, 3)


def test_release_hands_the_attempt_back(session: Session, everyone: None, acme: Any) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme)])
        (row,) = claim(session)
        assert queue.release([{"id": row.id, "token": row.token}], worker="w").on(cursor) == (1, 0)
        (again,) = claim(session, worker="other")
    assert (again.id, again.attempt, again.released) == (row.id, 1, 0)
    assert again.token != row.token
    assert not Attempt.objects.exists()


def test_release_of_what_had_begun_is_an_attempt_on_record(
    session: Session, everyone: None, acme: Any
) -> None:
    """Beside one that had not begun, in one statement, and as often as it happens."""
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme), execution(acme)])
        tokens = []
        for n in (1, 2):
            begun, other = sorted(claim(session, worker=f"w{n}"), key=lambda row: row.id)
            assert (begun.attempt, begun.released, other.attempt, other.released) == (n, n - 1, 1, 0)
            tokens.append(begun.token)
            started = begun.leased_at + 1
            batch: list[Released] = [
                {"id": begun.id, "token": begun.token, "started": started, "finished": started + 2},
                {"id": other.id, "token": other.token},
            ]
            assert queue.release(batch, worker=f"w{n}").on(cursor) == (2, 0)
            assert queue.release(batch, worker=f"w{n}").on(cursor) == (0, 2)
    row = Execution.objects.get(pk=begun.id)
    assert (row.state, row.attempt, row.released, row.lost) == ("pending", 2, 2, 0)
    assert (row.lease_token, row.lease_expires_at, row.leased_at, row.worker) == (None, None, None, None)
    tried = execution_attempts(execution=row)
    assert [(one.attempt, one.worker, str(one.lease_token)) for one in tried] == [
        (1, "w1", tokens[0]),
        (2, "w2", tokens[1]),
    ]
    for one in tried:
        assert (one.outcome, one.error_message) == ("released", "the worker was stopped")
        assert one.tenant_id == acme.pk
        assert one.finished_at - one.started_at == timedelta(seconds=2)
    assert not Attempt.objects.filter(execution_id=other.id).exists()


# -- plans -------------------------------------------------------------------------------------------------------


def plan_of(session: Session, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """As a worker's session runs it: prepared with parameters, not planned for their values."""
    text, names = numbered(name)
    literals = ", ".join(psycopg.sql.Literal(params[key]).as_string(session) for key in names)
    session.execute("DEALLOCATE ALL")
    session.execute(f"PREPARE planned AS {text}")
    (answer,) = session.execute(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({literals})").fetchall()
    plan: dict[str, Any] = answer[0][0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def on_queue(plan: dict[str, Any]) -> list[tuple[str, str | None]]:
    """How the plan reads the queue's table: (node, index)."""
    return [
        (node["Node Type"], node.get("Index Name"))
        for node in nodes(plan)
        if node.get("Relation Name") == "executions_execution" and "Scan" in node["Node Type"]
    ]


@pytest.fixture(params=["empty", "grown unseen", "emptied unseen"])
def misled(request: pytest.FixtureRequest, session: Session, acme: Any) -> str:
    """Statistics as they are when the queue has changed since they were taken."""
    one = execution(acme)
    filled = (
        [
            replace(one, run_at=one.run_at, scheduled_for=one.scheduled_for + timedelta(seconds=n))
            for n in range(3000)
        ]
        if request.param != "empty"
        else []
    )
    with session.cursor() as cursor:
        if request.param == "grown unseen":
            cursor.execute("ANALYZE executions_execution")
        if filled:
            queue.enqueue(cursor, filled)
        if request.param == "emptied unseen":
            cursor.execute("ANALYZE executions_execution")
            cursor.execute("DELETE FROM executions_execution")
    name: str = request.param
    return name


def kinds(plan: dict[str, Any]) -> set[str]:
    return {node["Node Type"] for node in nodes(plan)}


def test_claim_walks_its_index_in_order(session: Session, misled: str) -> None:
    call = queue.claim(worker="w", limit=100, lease_seconds=30.0)
    plan = plan_of(session, "claim", call.params)
    assert sorted(on_queue(plan)) == [
        ("Index Only Scan", "execution_running"),
        ("Index Scan", "execution_to_claim"),
        ("Index Scan", "executions_execution_pkey"),
        ("Index Scan", "executions_execution_pkey"),
    ]
    assert kinds(plan).isdisjoint({"Nested Loop", "Seq Scan", "Merge Join"})
    (walk,) = (node for node in nodes(plan) if node.get("Index Name") == "execution_to_claim")
    (limit,) = (node for node in nodes(plan) if node.get("Subplan Name") == "CTE waiting")
    assert limit["Node Type"] == "Limit"
    assert "Sort" not in kinds(limit), "rows come in the index's order"
    assert "rank" in walk["Index Cond"]
    session.execute("SELECT set_config('scheduler.claimed', '{1,2,3}', false)")
    read = plan_of(session, "claimed", call.params)
    assert on_queue(read) == [("Index Scan", "executions_execution_pkey")]


def test_rank_due_reads_what_waits_and_the_ends_of_its_tenants(session: Session, misled: str) -> None:
    plan = plan_of(session, "rank_due", {"limit": 100})
    assert sorted(on_queue(plan)) == [
        ("Index Scan", "execution_of_tenant"),
        ("Index Scan", "execution_to_claim"),
        ("Index Scan", "execution_to_rank"),
        ("Index Scan", "executions_execution_pkey"),
    ]
    assert kinds(plan).isdisjoint({"Nested Loop", "Seq Scan", "Merge Join"})


@pytest.mark.parametrize("name", ["complete", "retry", "release", "renew"])
def test_owner_finds_its_rows_by_primary_key(session: Session, misled: str, name: str) -> None:
    batch = json.dumps([{"id": n, "token": str(uuid4())} for n in range(500)])
    ends = queue.complete([Finished(n, str(uuid4()), "success", 0.0, 0.5) for n in range(500)])
    plan = plan_of(session, name, {**ends.params, "batch": batch, "worker": "w", "lease_seconds": 30.0})
    assert on_queue(plan) == [("Index Scan", "executions_execution_pkey")]
    assert kinds(plan).isdisjoint({"Nested Loop", "Seq Scan", "Merge Join"})


def test_leases_that_were_taken_back_are_told_from_those_that_a_person_ended(
    session: Session, everyone: None, acme: Any
) -> None:
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme) for _ in range(4)])
        reaped, cancelled, *ours = claim(session, lease_seconds=0.0)
        assert queue.renew([{"id": row.id, "token": row.token} for row in ours], lease_seconds=60).on(cursor)
        cancel(cursor, tenant_id=acme.pk, execution_id=cancelled.id, sentence="not now", words=None)
        assert ledger.reap(limit=10).on(cursor).again == 1
        (again,) = claim(session)
        assert again.id == reaped.id
        assert queue.count_lost([reaped, cancelled, *ours, again]).on(cursor) == 1
        assert queue.count_lost([cancelled, *ours, again]).on(cursor) == 0


@pytest.mark.parametrize("words", ["", "the lost one's words"])
def test_lost_lease_says_nothing_beside_a_good_one_of_the_same_execution(
    session: Session, everyone: None, acme: Any, words: str
) -> None:
    """A worker may lose an execution, claim it again, and finish both in one batch."""
    with session.cursor() as cursor:
        queue.enqueue(cursor, [execution(acme)])
        (lost,) = queue.claim(worker="w", limit=1, lease_seconds=60).on(cursor)
        cursor.execute("UPDATE executions_execution SET lease_expires_at = now() - interval '1 s'")
        ledger.reap(limit=10).on(cursor)
        (kept,) = queue.claim(worker="w", limit=1, lease_seconds=60).on(cursor)
        ends = [
            end_of(lost, "failed", error_text=words, result="", gone=True),
            end_of(kept, "failed", error_text="the kept one's" if words else "", result=""),
        ]
        assert queue.complete(ends).on(cursor) == (1, 1, 0)
    with tenant_scope(acme):
        outputs = list(ExecutionOutput.objects.values_list("error_text", flat=True))
    assert outputs == (["the kept one's"] if words else [])
    note = OutcomeNote.objects.get()
    assert (note.failures, note.trailing_failures, note.gone_version) == (1, 1, None)
