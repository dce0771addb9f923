"""Cancelling what runs: its worker stops it, and whoever else is at the row comes first or changes nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psutil
import pytest
from django.db import connection

from apps.executions import queue
from apps.executions.cancellation import cancel
from apps.executions.limits import Limits
from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, OutcomeNote
from apps.executions.queue import Claimed
from apps.executions.sql import statement
from apps.executions.worker import Worker
from apps.jobs.models import Cursor, Job
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, enter_all_tenants
from tests.contract.client import MemberClient
from tests.contract.line import check
from tests.replicas import wait_for
from tests.workers import Session, end_of, execution, put

# A worker that would find out by itself after a minute, and whose leases outlive the test.
LIMITS = Limits(lease=600.0, heartbeat=60.0, poll=0.2, drain=0.5, concurrency=20, processes=1)


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as session:
        yield session


@pytest.fixture
def alice(live_db: str, cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture(autouse=True)
def everyone(live_db: str) -> Iterator[None]:
    with all_tenants_scope():
        yield


def post(client: MemberClient, path: str) -> Any:
    """A request leaves its thread outside every tenant; this goes back to seeing all."""
    try:
        return client.send("POST", path)
    finally:
        enter_all_tenants()


def claimed(session: Session) -> Claimed:
    with session.cursor() as cursor:
        [row] = queue.claim(worker="w", limit=1, lease_seconds=60).on(cursor)
    return row


def run(script: Callable[[Worker], Any]) -> Worker:
    """A worker in this process; `script` runs in a thread beside it, and then the worker is stopped."""
    errors: list[BaseException] = []

    async def both() -> Worker:
        worker, loop = Worker(limits=LIMITS, name="here"), asyncio.get_running_loop()

        def beside() -> None:
            try:
                with all_tenants_scope():
                    script(worker)
            except BaseException as error:
                errors.append(error)
            finally:
                connection.close()
                loop.call_soon_threadsafe(worker.stop)

        thread = threading.Thread(target=beside)
        thread.start()
        await worker.run()
        await asyncio.to_thread(thread.join)
        return worker

    worker = asyncio.run(both())
    if errors:
        raise errors[0]
    return worker


def is_leased(execution_id: int) -> bool:
    return Execution.objects.filter(pk=execution_id, state="leased").exists()


# -- the worker -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["tests.wait", "tests.plain_hang", "tests.stubborn"])
def test_its_worker_stops_it_at_once(session: Session, alice: MemberClient, acme: Any, target: str) -> None:
    """A task, a process with a child of its own, and a task that swallows its cancellation and then returns."""
    seconds = 0.2 if target == "tests.stubborn" else 600
    (execution_id,) = put(session, acme, execution(acme, target), params={"seconds": seconds})
    (bystander,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})
    took: list[float] = []

    def script(worker: Worker) -> None:
        wait_for(lambda: is_leased(execution_id) and is_leased(bystander), "both leases")
        if target == "tests.plain_hang":
            wait_for(_hanging, "the function's child")
        before = monotonic()
        assert post(alice, f"executions/{execution_id}/cancel").json()["was"] == "leased"
        wait_for(lambda: worker.counts["lost"] == 1 and worker.running == 1, "its end in the worker")
        took.append(monotonic() - before)
        if target == "tests.plain_hang":
            wait_for(lambda: not _hanging(), "the end of the function and its child")
        assert is_leased(bystander)

    worker = run(script)
    assert took[0] < LIMITS.heartbeat / 3
    assert (worker.counts["completed"], worker.counts["stale"]) == (0, 0)
    log = ExecutionLog.objects.get()
    assert (log.pk, log.status, log.error_message) == (execution_id, "failed", "Cancelled by alice-acme.")
    assert log.execution_time_ms is not None
    assert dict(Attempt.objects.values_list("execution_id", "outcome")) == {
        execution_id: "cancelled",
        bystander: "released",  # by the worker's end
    }


def _hanging() -> bool:
    """Whether this process has, somewhere below it, the child that `tests.plain_hang` starts."""
    return any(
        "time.sleep(3600)" in " ".join(_command(child)) for child in psutil.Process().children(recursive=True)
    )


def _command(process: psutil.Process) -> list[str]:
    try:
        line: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return line


def test_a_completion_that_comes_too_late_changes_nothing(
    session: Session, alice: MemberClient, acme: Any
) -> None:
    put(session, acme, execution(acme))
    row = claimed(session)
    assert post(alice, f"executions/{row.id}/cancel").status_code == 200
    with session.cursor() as cursor:
        assert queue.renew([{"id": row.id, "token": row.token}], lease_seconds=60).on(cursor) == set()
        assert queue.complete([end_of(row)]).on(cursor) == (0, 1, 0)
        failed: queue.Failed = {
            "id": row.id,
            "token": row.token,
            "outcome": "failed",
            "error_message": "no",
            "started": 0,
            "finished": 1,
            "delay": 1,
        }
        assert queue.retry([failed], worker="w").on(cursor) == (0, 1)
        assert queue.release([{"id": row.id, "token": row.token}], worker="w").on(cursor) == (0, 1)
    assert not Execution.objects.exists()
    assert ExecutionLog.objects.get().status == "failed"
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["cancelled"]


def test_it_is_shown_as_the_jobs_last_end_but_is_no_failure_in_a_row(
    session: Session, alice: MemberClient, acme: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme))
    job = Job.objects.get()
    Cursor.objects.create(job=job, tenant=acme, consecutive_failures=2)
    assert post(alice, f"executions/{execution_id}/cancel").status_code == 200
    check()
    cursor = Cursor.objects.get()
    assert (cursor.last_status, cursor.failure_reason) == ("failed", "Cancelled by alice-acme.")
    assert cursor.consecutive_failures == 2


# -- races ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(live_db: str) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def asked(pool: ThreadPoolExecutor, client: MemberClient, path: str) -> Future[Any]:
    def ask() -> Any:
        try:
            return client.send("POST", path)
        finally:
            connection.close()

    return pool.submit(ask)


@contextmanager
def waiting(session: Session, n: int) -> Iterator[None]:
    """At the end of the block `n` sessions wait for a lock, or it fails."""
    yield
    wait_for(
        lambda: (
            session.execute(
                "SELECT count(*) = %s FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'",
                [n],
            ).fetchone()
            == (True,)
        ),
        f"{n} sessions at the lock",
    )


@pytest.fixture
def first(live_db: str) -> Iterator[Session]:
    """The session that gets to the row first and keeps it until it commits."""
    with machine.connect(application_name="tests, first") as session:
        yield session


def ends(execution_id: int) -> list[str]:
    """How the ledger says that it ended, once everything that goes with an end is there exactly once."""
    assert Execution.objects.count() == 0
    assert Delta.objects.count() == OutcomeNote.objects.count() == 1
    return list(ExecutionLog.objects.filter(pk=execution_id).values_list("status", flat=True))


def test_of_two_cancellations_one_wins(
    session: Session, first: Session, pool: ThreadPoolExecutor, alice: MemberClient, cast: Any, acme: Any
) -> None:
    put(session, acme, execution(acme))
    row = claimed(session)
    ann = MemberClient(cast.ann)
    with first.transaction():
        first.execute("SELECT 1 FROM executions_execution WHERE id = %s FOR UPDATE", [row.id])
        with waiting(session, 2):
            answers = [asked(pool, client, f"executions/{row.id}/cancel") for client in (alice, ann)]
    assert sorted(answer.result(20).status_code for answer in answers) == [200, 409]
    assert ends(row.id) == ["failed"]
    assert Attempt.objects.count() == 1


def test_a_cancellation_that_meets_a_completion_finds_it_finished(
    session: Session, first: Session, pool: ThreadPoolExecutor, alice: MemberClient, acme: Any
) -> None:
    put(session, acme, execution(acme))
    row = claimed(session)
    with first.transaction(), first.cursor() as cursor:
        assert queue.complete([end_of(row)]).on(cursor).completed == 1
        with waiting(session, 1):
            answer = asked(pool, alice, f"executions/{row.id}/cancel")
    assert answer.result(20).status_code == 409
    assert ends(row.id) == ["success"]


def test_a_completion_that_meets_a_cancellation_is_stale(
    session: Session, first: Session, pool: ThreadPoolExecutor, acme: Any
) -> None:
    put(session, acme, execution(acme))
    row = claimed(session)

    def complete() -> queue.Completed:
        with machine.connect(application_name="tests, late") as late, late.cursor() as cursor:
            return queue.complete([end_of(row)]).on(cursor)

    with first.transaction(), first.cursor() as cursor:
        assert cancel(cursor, tenant_id=acme.pk, execution_id=row.id, sentence="Cancelled.", words=None)
        with waiting(session, 1):
            late = pool.submit(complete)
    assert late.result(20) == (0, 1, 0)
    assert ends(row.id) == ["failed"]


def test_a_cancellation_that_meets_a_claim_takes_the_lease_with_it(
    session: Session, first: Session, pool: ThreadPoolExecutor, alice: MemberClient, acme: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme))
    claim = queue.claim(worker="w", limit=1, lease_seconds=60)
    with first.transaction(), first.cursor() as cursor:
        # The statements of a claim, in a transaction that is held open.
        cursor.execute(statement(claim.name), claim.params)
        (given,) = cursor.execute(statement(claim.then), claim.params).fetchall()
        row = Claimed(*given)
        with waiting(session, 1):
            answer = asked(pool, alice, f"executions/{execution_id}/cancel")
    assert answer.result(20).json()["was"] == "leased"
    assert str(Attempt.objects.get().lease_token) == row.token
    with session.cursor() as cursor:
        assert queue.complete([end_of(row)]).on(cursor) == (0, 1, 0)
    assert ends(execution_id) == ["failed"]
