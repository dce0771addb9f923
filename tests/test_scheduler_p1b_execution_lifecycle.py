"""From claim to ledger, with real workers: what is lost comes back, nothing ends twice, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.db.models import Sum
from django.test import Client

from apps.executions import queue, selectors
from apps.executions.counters import CounterFold
from apps.executions.ledger import LOST_TOO_OFTEN, MAX_LOST
from apps.executions.limits import Limits
from apps.executions.models import (
    Attempt,
    Counter,
    Delta,
    Execution,
    ExecutionLog,
    ExecutionOutput,
    OutcomeNote,
    TenantTotals,
)
from apps.executions.partitions import PartitionKeeper
from apps.executions.reaper import Reaper
from apps.executions.selectors import execution_attempts
from apps.executions.worker import Worker
from apps.leadership.models import RefusedWrite
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import UserForms
from apps.vault.services import endpoint_put
from tests.admin_rows import page
from tests.leaders import UNHURRIED
from tests.metrics import scraped
from tests.replicas import wait_for
from tests.workers import Session, WorkerProcess, end_of, execution, put, workers

LIMITS = Limits(lease=3.0, heartbeat=0.3, poll=0.2, drain=10.0, concurrency=20, processes=1)


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as session:
        yield session


@pytest.fixture
def everyone(live_db: str) -> Iterator[None]:
    with all_tenants_scope():
        yield


@pytest.fixture
def start(live_db: str, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    with workers(live_db, tmp_path) as start:
        yield start


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def log_of(execution_id: int) -> ExecutionLog | None:
    return ExecutionLog.objects.filter(pk=execution_id).first()


def ended(*ids: int) -> list[ExecutionLog]:
    """The ledger's rows, once all of them are there."""
    return wait_for(
        lambda: (
            len(logs := list(ExecutionLog.objects.filter(pk__in=ids).order_by("pk"))) == len(ids) and logs
        ),
        f"executions {ids} in the ledger",
    )


def is_leased(execution_id: int) -> bool:
    return Execution.objects.filter(pk=execution_id, state="leased").exists()


def run(script: Callable[[Worker], Any], **options: Any) -> Worker:
    """A worker in a loop of this process's own; `script` runs in a thread beside it, and then the worker is stopped."""
    errors: list[BaseException] = []

    async def both() -> Worker:
        worker = Worker(limits=options.pop("limits", LIMITS), name="here", **options)
        loop = asyncio.get_running_loop()

        def beside() -> None:
            try:
                with all_tenants_scope():
                    script(worker)
            except BaseException as error:
                errors.append(error)
            finally:
                from django.db import connection

                connection.close()
                loop.call_soon_threadsafe(worker.stop)

        thread = threading.Thread(target=beside)
        thread.start()
        await worker.run()
        await asyncio.to_thread(thread.join)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return worker

    worker = asyncio.run(both())
    if errors:
        raise errors[0]
    return worker


def sessions_of_workers(session: Session) -> list[str]:
    rows = session.execute(
        "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'scheduler worker%'"
        " AND datname = current_database()"
    ).fetchall()
    return [name for (name,) in rows]


# -- the ordinary life ------------------------------------------------------------------------------------------------


def test_execution_runs_with_its_content_in_its_tenant(
    session: Session, everyone: None, acme: Any, bravo: Any
) -> None:
    with tenant_scope(acme):
        endpoint_put(url="https://acme.example/hook", signing_secrets=["whsec_" + "A" * 44])
    ids = [
        *put(session, acme, execution(acme, "tests.echo"), params={"who": "acme"}),
        *put(session, bravo, execution(bravo, "tests.echo"), params={"who": "bravo"}),
    ]
    worker = run(lambda _: ended(*ids))
    assert worker.counts["completed"] == 2
    for tenant, url in ((acme, "https://acme.example/hook"), (bravo, None)):
        with tenant_scope(tenant):
            output = ExecutionOutput.objects.get()
            assert output.result == {
                "params": {"who": tenant.schema_name},
                "tenant": tenant.schema_name,
                "endpoint": url,
            }
            log = ExecutionLog.objects.get()
    assert log.run_at < log.started_at <= log.finished_at
    assert (log.status, log.attempts, log.worker, log.epoch) == ("success", 1, "here", 1)


def test_new_work_starts_at_once_by_notification(session: Session, everyone: None, acme: Any) -> None:
    slow_poll = Limits(lease=30.0, heartbeat=5.0, poll=30.0, drain=5.0, concurrency=20, processes=1)

    def script(worker: Worker) -> None:
        first = put(session, acme, execution(acme))
        ended(*first)  # the worker is up, and has looked ahead
        for _ in range(5):
            (execution_id,) = put(session, acme, execution(acme, run_at=datetime.now(UTC)))
            (log,) = ended(execution_id)
            assert log.started_at is not None
            # With 30 s between polls, only the notification can have told it.
            assert log.started_at - log.created_at < timedelta(seconds=5)

    run(script, limits=slow_poll)


def test_error_in_the_ledger_is_ours_and_the_customers_words_are_in_the_output(
    session: Session, everyone: None, acme: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.raise"), params={"words": "card 4111"})
    run(lambda _: ended(execution_id))
    log = ExecutionLog.objects.get()
    assert (log.status, log.error_message) == ("failed", "the task raised ValueError")
    assert "4111" not in str(ExecutionLog.objects.values().get()) + str(OutcomeNote.objects.values().get())
    with tenant_scope(acme):
        assert "card 4111" in (ExecutionOutput.objects.get().error_text or "")


def test_missing_content_fails_for_good(session: Session, everyone: None, acme: Any) -> None:
    row = execution(acme, max_attempts=5)
    with session.cursor() as cursor:
        (execution_id,) = queue.enqueue(cursor, [row])
    run(lambda _: ended(execution_id))
    log = ExecutionLog.objects.get()
    assert (log.status, log.attempts) == ("failed", 1)
    assert log.error_message == "the job's content is missing or cannot be opened"


def test_drain_empties_the_queue_and_ends(session: Session, everyone: None, acme: Any, start: Any) -> None:
    later = execution(acme, run_at=datetime.now(UTC) + timedelta(hours=1))
    retried = execution(acme, "tests.fail_until", max_attempts=3)
    put(session, acme, later, *[execution(acme) for _ in range(50)])
    put(session, acme, retried, params={"attempt": 2})
    worker = start("drainer", "--drain", WORKER_CONCURRENCY="7")
    assert worker.wait() == 0, worker.said()
    assert ExecutionLog.objects.filter(status="success").count() == 51
    assert Execution.objects.get().run_at == later.run_at
    assert "51 completed" in worker.said()
    assert "1 retried" in worker.said()


def test_what_is_put_back_while_a_worker_looks_ahead_is_not_overlooked(
    session: Session, everyone: None, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is of a moment before, and says that nothing will be due for an hour."""
    (execution_id,) = put(session, acme, execution(acme, run_at=datetime.now(UTC) + timedelta(hours=1)))
    worker = Worker(limits=LIMITS, name="here", until_empty=True)
    look_ahead = queue.look_ahead

    def overtaken() -> Any:
        monkeypatch.setattr(queue, "look_ahead", look_ahead)
        call = look_ahead()

        def read(rows: Any) -> Any:
            session.execute("UPDATE executions_execution SET run_at = clock_timestamp()")
            worker._claimer.due_in(0)
            return call.read(rows)

        return replace(call, read=read)

    monkeypatch.setattr(queue, "look_ahead", overtaken)
    asyncio.run(worker.run())
    assert ended(execution_id)


# -- retries ----------------------------------------------------------------------------------------------------------


def test_failure_waits_for_its_backoff_and_keeps_its_id(session: Session, everyone: None, acme: Any) -> None:
    row = execution(
        acme, "tests.fail_until", max_attempts=3, retry_delay_seconds=1, retry_max_delay_seconds=5
    )
    (execution_id,) = put(session, acme, row, params={"attempt": 3})
    run(lambda _: ended(execution_id))
    log = ExecutionLog.objects.get()
    assert (log.pk, log.status, log.attempts, log.error_message) == (execution_id, "success", 3, None)
    first, second, third = execution_attempts(execution=log)
    assert [tried.outcome for tried in (first, second, third)] == ["failed", "failed", "success"]
    assert first.error_message == "not yet"
    assert third.started_at is not None
    assert second.started_at is not None
    assert second.started_at - first.finished_at >= timedelta(
        seconds=0.5
    )  # at least half of a second, then of two
    assert third.started_at - second.finished_at >= timedelta(seconds=1.0)
    assert Delta.objects.aggregate(n=Sum("n")) == {"n": 1}  # an execution is counted once, not an attempt


def test_receivers_retry_after_is_kept(session: Session, everyone: None, acme: Any) -> None:
    row = execution(acme, "tests.fail_until", max_attempts=2)
    (execution_id,) = put(session, acme, row, params={"attempt": 2, "retry_after": 3600})

    def script(worker: Worker) -> None:
        wait_for(lambda: worker.counts["retried"] == 1, "a retry")

    run(script)
    waiting = Execution.objects.get(pk=execution_id, state="pending", lease_token=None)
    assert timedelta(minutes=59) < waiting.run_at - datetime.now(UTC) <= timedelta(hours=1)


def test_last_and_permanent_failures_end_in_the_ledger(session: Session, everyone: None, acme: Any) -> None:
    ids = put(
        session,
        acme,
        execution(acme, "tests.raise", max_attempts=2),
        execution(acme, "tests.give_up", max_attempts=2),
    )
    run(lambda _: ended(*ids))
    assert list(ExecutionLog.objects.order_by("pk").values_list("status", "attempts", "error_message")) == [
        ("failed", 2, "the task raised ValueError"),
        ("failed", 1, "gone"),
    ]


# -- timeouts and blocking --------------------------------------------------------------------------------------------


def test_timeout_leaves_no_process_task_lease_or_session(session: Session, everyone: None, acme: Any) -> None:
    ids = put(
        session,
        acme,
        execution(acme, "tests.wait", timeout_seconds=1),
        execution(acme, "tests.plain_hang", timeout_seconds=1),
        execution(acme, "tests.plain"),
        params={"seconds": 3600},
    )
    ours = psutil.Process()
    before = {child.pid for child in ours.children(recursive=True)}
    hanging: list[psutil.Process] = []

    def script(worker: Worker) -> None:
        def child_of_the_task() -> list[psutil.Process]:
            return [
                child
                for child in ours.children(recursive=True)
                if "time.sleep(3600)" in " ".join(child.cmdline())
            ]

        hanging.extend(wait_for(child_of_the_task, "the task's own child"))
        ended(*ids)
        assert wait_for(lambda: worker.running == 0 or None, "no task")

    worker = run(script)
    assert list(ExecutionLog.objects.order_by("pk").values_list("status", "error_message")) == [
        ("failed", "timed out after 1 s"),
        ("failed", "timed out after 1 s"),
        ("success", None),
    ]
    assert sorted(ExecutionLog.objects.values_list("outcome", flat=True)) == ["success", "timeout", "timeout"]
    assert not Execution.objects.exists()
    wait_for(
        lambda: not any(child.is_running() and child.status() != "zombie" for child in hanging), "it is dead"
    )
    assert [child for child in ours.children(recursive=True) if child.pid not in before] == []
    assert worker.running == 0
    wait_for(lambda: sessions_of_workers(session) == [], "no session")


def test_handler_that_blocks_the_loop_for_two_leases_loses_no_lease(
    session: Session, everyone: None, acme: Any, leader: LeaderSession
) -> None:
    limits = Limits(lease=1.0, heartbeat=0.2, poll=0.2, drain=10.0, concurrency=20, processes=1)
    (blocking,) = put(session, acme, execution(acme, "tests.block"), params={"seconds": 2.5})
    others = put(session, acme, *[execution(acme, "tests.wait") for _ in range(5)], params={"seconds": 0.5})

    def script(worker: Worker) -> None:
        wait_for(lambda: all(is_leased(execution_id) for execution_id in (blocking, *others)), "all leased")
        reaper = Reaper()
        reaped = 0

        def ended_or_reaped() -> bool:
            nonlocal reaped
            reaped += reaper.run_once(leader).counts["reaped"]
            return reaped > 0 or log_of(blocking) is not None

        wait_for(ended_or_reaped, "the end of the blocking task")
        assert reaped == 0
        ended(*others)

    worker = run(script, limits=limits)
    assert worker.counts["lost"] == worker.counts["stale"] == 0
    assert set(ExecutionLog.objects.values_list("status", "attempts")) == {("success", 1)}


# -- workers that go -----------------------------------------------------------------------------------------------


def test_sigkilled_worker_is_reaped_and_its_work_redelivered_under_the_same_id(
    session: Session, everyone: None, acme: Any, leader: LeaderSession, start: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 2})
    victim = start("victim", LEASE_SECONDS="1.5")
    wait_for(lambda: is_leased(execution_id), "the victim's lease")
    victim.process.kill()
    victim.wait()
    heir = start("heir")
    reaper = Reaper()
    wait_for(lambda: reaper.run_once(leader).counts["reaped"] == 1, "the reaper's catch")
    (log,) = ended(execution_id)
    assert (log.pk, log.status, log.worker, log.attempts) == (execution_id, "success", "heir", 2)
    lost, ran = execution_attempts(execution=log)
    assert (lost.outcome, lost.worker, lost.error_message) == ("lost", "victim", "the worker's lease expired")
    assert (ran.outcome, ran.worker) == ("success", "heir")
    assert lost.lease_token != ran.lease_token
    assert heir.process.poll() is None


def test_stopped_worker_comes_back_too_late_and_changes_nothing(
    session: Session, everyone: None, acme: Any, leader: LeaderSession, start: Any, live_browser: Client
) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 1})
    sleeper = start("sleeper", LEASE_SECONDS="1", LEASE_HEARTBEAT="60")
    wait_for(lambda: is_leased(execution_id), "the sleeper's lease")
    sleeper.process.send_signal(signal.SIGSTOP)
    reaper = Reaper()
    wait_for(lambda: reaper.run_once(leader).counts["reaped"] == 1, "the reaper's catch")
    start("heir")
    (log,) = ended(execution_id)
    sleeper.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "1 leases were no longer ours" in sleeper.said(), "a stale completion, told")
    assert log.worker == "heir"
    assert ExecutionLog.objects.get().worker == "heir"
    assert [(tried.outcome, tried.worker) for tried in execution_attempts(execution=log)] == [
        ("lost", "sleeper"),
        ("success", "heir"),
    ]
    wait_for(lambda: RefusedWrite.objects.exists(), "the refusal on record")
    refused = RefusedWrite.objects.get()
    assert (refused.actor, refused.name, refused.what, refused.count) == (
        "worker",
        "sleeper",
        "stale_lease",
        1,
    )
    assert scraped()["scheduler_refused_writes_total", "worker", "stale_lease"] == 1
    assert list(live_browser.get(page(RefusedWrite)).context["cl"].result_list) == [refused]


def test_stopped_worker_that_renews_too_late_is_on_record(
    session: Session, everyone: None, acme: Any, leader: LeaderSession, start: Any, live_browser: Client
) -> None:
    """It never gets as far as a completion: its heartbeat finds the lease gone and stops the run."""
    put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})
    sleeper = start("sleeper", LEASE_SECONDS="1", LEASE_HEARTBEAT="0.3")
    wait_for(lambda: Execution.objects.filter(state="leased").exists(), "the sleeper's lease")
    sleeper.process.send_signal(signal.SIGSTOP)
    reaper = Reaper()
    wait_for(lambda: reaper.run_once(leader).counts["reaped"] == 1, "the reaper's catch")
    sleeper.process.send_signal(signal.SIGCONT)
    refused = wait_for(RefusedWrite.objects.first, "the refusal on record")
    assert (refused.actor, refused.name, refused.what, refused.count) == (
        "worker",
        "sleeper",
        "late_renewal",
        1,
    )
    wait_for(
        lambda: "1 executions were stopped: their leases are no longer ours" in sleeper.said(), "so said"
    )
    assert not ExecutionLog.objects.exists()
    assert scraped()["scheduler_refused_writes_total", "worker", "late_renewal"] == 1
    assert list(live_browser.get(page(RefusedWrite)).context["cl"].result_list) == [refused]


def test_a_record_of_refused_writes_does_not_hold_up_the_ends_behind_it(
    session: Session, everyone: None, acme: Any, leader: LeaderSession, caplog: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 0.5})

    def script(worker: Worker) -> None:
        wait_for(lambda: is_leased(execution_id), "the lease")
        session.execute("UPDATE executions_execution SET lease_expires_at = now() - interval '1 second'")
        assert Reaper().run_once(leader).counts["reaped"] == 1
        with session.transaction():
            session.execute("LOCK TABLE leadership_refusedwrite IN ACCESS EXCLUSIVE MODE")
            ended(execution_id)  # by the second attempt, written after the first one's that is stale

    worker = run(script, limits=replace(LIMITS, heartbeat=60.0, lease=60.0))
    assert (worker.counts["stale"], worker.counts["completed"]) == (1, 1)
    assert "refused writes of worker here are not on record" in caplog.text
    assert not RefusedWrite.objects.exists()


def test_execution_that_loses_three_workers_is_failed_and_handed_out_no_more(
    session: Session, everyone: None, acme: Any, leader: LeaderSession
) -> None:
    (execution_id,) = put(session, acme, execution(acme, max_attempts=1))
    reaper = Reaper()
    for round_number in range(1, MAX_LOST + 1):
        with session.cursor() as cursor:
            (row,) = queue.claim(worker=f"w{round_number}", limit=5, lease_seconds=0.0).on(cursor)
        assert (row.id, row.lost) == (execution_id, round_number - 1)
        assert reaper.run_once(leader).counts["reaped"] == 1
    log = ExecutionLog.objects.get()
    assert (log.pk, log.status, log.error_message, log.attempts) == (
        execution_id,
        "failed",
        LOST_TOO_OFTEN,
        3,
    )
    assert list(Attempt.objects.order_by("attempt").values_list("attempt", "outcome")) == [
        (1, "lost"),
        (2, "lost"),
        (3, "lost"),
    ]
    assert Delta.objects.get().n == 1
    note = OutcomeNote.objects.get()
    assert (note.status, note.failures, note.trailing_failures) == ("failed", 1, 1)
    assert reaper.run_once(leader).counts == {"reaped": 0, "lost_for_good": 0}


def test_reaper_leaves_living_leases_and_says_when_to_come_back(
    session: Session, everyone: None, acme: Any, leader: LeaderSession
) -> None:
    (execution_id,) = put(session, acme, execution(acme))
    reaper = Reaper()
    assert reaper.run_once(leader).wake_in is None
    with session.cursor() as cursor:
        queue.claim(worker="w", limit=1, lease_seconds=30.0).on(cursor)
    result = reaper.run_once(leader)
    assert result.counts["reaped"] == 0
    assert result.wake_in is not None
    assert 25 < result.wake_in <= 30
    assert is_leased(execution_id)


def test_sigterm_lets_short_work_end_and_hands_the_rest_back(
    session: Session, everyone: None, acme: Any, start: Any
) -> None:
    (short,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 1.5})
    (long,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})
    (plain,) = put(session, acme, execution(acme, "tests.plain_hang"))
    worker = start("leaver", LEASE_SECONDS="60", WORKER_DRAIN="3")
    wait_for(lambda: all(is_leased(execution_id) for execution_id in (short, long, plain)), "three leases")
    children = wait_for(
        lambda: [c for c in worker.children() if "time.sleep(3600)" in " ".join(c.cmdline())],
        "the task's child",
    )
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.said()
    assert ExecutionLog.objects.get().pk == short
    for row in Execution.objects.filter(pk__in=[long, plain]):
        assert (row.state, row.attempt, row.lease_token, row.worker) == ("pending", 1, None, None)
        assert (row.released, row.lost) == (1, 0)
        (tried,) = execution_attempts(execution=row)
        assert (tried.attempt, tried.outcome, tried.worker) == (1, "released", "leaver")
        assert tried.error_message == "the worker was stopped"
        assert tried.finished_at - tried.started_at > timedelta(seconds=2.5), "from its call to its end"
    wait_for(
        lambda: not any(c.is_running() and c.status() != "zombie" for c in children), "the child is dead"
    )
    assert sessions_of_workers(session) == []


@pytest.mark.parametrize(
    ("max_attempts", "does", "outcomes"),
    [
        (1, ["hang", "end"], ["released", "success"]),
        (1, ["hang", "fail"], ["released", "failed"]),
        (2, ["hang", "fail", "end"], ["released", "failed", "success"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_run_that_a_drain_cuts_short_is_on_record_and_uses_up_no_attempt(
    session: Session,
    everyone: None,
    acme: Any,
    start: Any,
    tmp_path: Path,
    max_attempts: int,
    does: list[str],
    outcomes: list[str],
) -> None:
    calls = tmp_path / "calls"
    row = execution(acme, "tests.by_attempt", max_attempts=max_attempts)
    (execution_id,) = put(session, acme, row, params={"file": str(calls), "does": does})
    leaver = start("leaver", LEASE_SECONDS="60", WORKER_DRAIN="0.1")
    wait_for(calls.exists, "the first call")
    leaver.process.send_signal(signal.SIGTERM)
    assert leaver.wait() == 0, leaver.said()
    start("heir")
    (log,) = ended(execution_id)
    attempts = execution_attempts(execution=log)
    assert [tried.outcome for tried in attempts] == outcomes
    assert [tried.worker for tried in attempts] == ["leaver", *["heir"] * (len(does) - 1)]
    called = [json.loads(line)["attempt"] for line in calls.read_text().splitlines()]
    assert called == [tried.attempt for tried in attempts], "each call has a record of its own"
    assert len({tried.lease_token for tried in attempts}) == len(does)


def test_run_that_had_not_begun_is_handed_back_without_a_record(
    session: Session, everyone: None, acme: Any, tmp_path: Path
) -> None:
    """Of two plain functions that want the one process, one was called."""
    calls = tmp_path / "calls"
    params = {"file": str(calls), "seconds": 600}
    rows = [execution(acme, "tests.record_plain") for _ in range(2)]
    ids = set(put(session, acme, *rows, params=params))

    def script(worker: Worker) -> None:
        wait_for(lambda: worker.running == 2 and calls.exists(), "two leases and one call")

    worker = run(script, limits=replace(LIMITS, drain=0.1))
    assert worker.counts["released"] == 2
    (called,) = (json.loads(line)["execution_id"] for line in calls.read_text().splitlines())
    assert Attempt.objects.get().execution_id == called
    begun, other = Execution.objects.get(pk=called), Execution.objects.get(pk=(ids - {called}).pop())
    assert (begun.attempt, begun.released) == (1, 1)
    assert (other.attempt, other.released) == (0, 0)


def test_run_whose_content_could_not_be_read_is_handed_back_without_a_record(
    session: Session, everyone: None, acme: Any, start: Any
) -> None:
    """It takes two readings that fail: the worker tries once more by itself."""
    (execution_id,) = put(session, acme, execution(acme))
    contents = f"{acme.schema_name}.vault_jobcontent"
    worker = start("reader")

    def handed_back() -> bool:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = %s::regclass AND NOT granted",
            [contents],
        )
        return "is handed back: its content cannot be read" in worker.said()

    with machine.connect(application_name="tests") as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {contents} IN ACCESS EXCLUSIVE MODE")
        wait_for(handed_back, "two readings that failed")
    (log,) = ended(execution_id)
    assert (log.status, log.attempts) == ("success", 1)
    assert not Attempt.objects.exists()


def test_second_sigterm_does_not_wait(session: Session, everyone: None, acme: Any, start: Any) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})
    worker = start("hasty", LEASE_SECONDS="60", WORKER_DRAIN="600")
    wait_for(lambda: is_leased(execution_id), "the lease")
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == 0, worker.said()
    assert Execution.objects.get().state == "pending"


def test_task_that_will_not_be_cancelled_does_not_keep_its_lease(
    session: Session, everyone: None, acme: Any
) -> None:
    limits = Limits(lease=60.0, heartbeat=5.0, poll=0.2, drain=0.2, concurrency=5, processes=1)
    put(session, acme, execution(acme, "tests.stubborn"), params={"seconds": 3})

    async def leave() -> Worker:
        worker = Worker(limits=limits, name="here")
        running = asyncio.create_task(worker.run())
        await asyncio.to_thread(wait_for, lambda: worker.running == 1, "the task")
        worker.stop()
        await running
        return worker

    worker = asyncio.run(leave())
    assert worker.counts["released"] == 1
    assert Execution.objects.get().state == "pending"
    assert Attempt.objects.get().outcome == "released"
    assert not ExecutionLog.objects.exists()


# -- the database goes ------------------------------------------------------------------------------------------------


def test_worker_outlives_the_end_of_all_its_sessions(
    session: Session, everyone: None, acme: Any, start: Any
) -> None:
    (running,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 2})
    worker = start("survivor")
    wait_for(lambda: is_leased(running), "the lease")
    for _ in range(3):
        wait_for(lambda: len(sessions_of_workers(session)) >= 2, "sessions")
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid NOT IN (pg_backend_pid(), %s)",
            [_own_django_backend()],
        )
    later = put(session, acme, *[execution(acme) for _ in range(10)])
    assert {log.status for log in ended(running, *later)} == {"success"}
    assert ExecutionLog.objects.filter(attempts=1).count() == 11
    assert worker.process.poll() is None
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.said()


def _own_django_backend() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def test_lease_taken_away_stops_the_work_and_nothing_of_it_is_written(
    session: Session, everyone: None, acme: Any
) -> None:
    (execution_id,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})

    def script(worker: Worker) -> None:
        wait_for(lambda: is_leased(execution_id), "the lease")
        session.execute(
            "UPDATE executions_execution SET lease_token = gen_random_uuid(), worker = 'another' WHERE id = %s",
            [execution_id],
        )
        wait_for(lambda: worker.counts["lost"] == 1 and worker.running == 0, "the heartbeat's finding")

    worker = run(script)
    assert (worker.counts["completed"], worker.counts["released"]) == (0, 0)
    assert Execution.objects.get().worker == "another"


# -- counters and partitions ------------------------------------------------------------------------------------------


def test_counters_fold_to_exactly_what_the_ledger_holds(
    session: Session, everyone: None, acme: Any, bravo: Any, leader: LeaderSession
) -> None:
    ids = [
        *put(
            session, acme, *[execution(acme, user_id=f"u-{n % 3}", task_type=f"t{n % 2}") for n in range(40)]
        ),
        *put(
            session,
            bravo,
            *[execution(bravo, "tests.raise", user_id=None, legacy_user_id=5) for _ in range(15)],
        ),
    ]
    fold = CounterFold(limit=3)
    folded: dict[str, int] = {"executed": 0, "failed": 0}

    def tally() -> bool:
        result = fold.run_once(leader)
        for name in folded:
            folded[name] += result.counts[name]
        return result.again

    def script(worker: Worker) -> None:
        # Folding goes on while completions come in, and never counts one that is not in the ledger.
        def all_ended() -> bool:
            tally()
            counted = selectors.finished_count(tenant_id=acme.pk)
            assert counted <= ExecutionLog.objects.filter(tenant_id=acme.pk).count()
            return ExecutionLog.objects.count() == len(ids)

        wait_for(all_ended, "all in the ledger")
        wait_for(lambda: not tally(), "nothing left to fold")

    run(script)
    assert not Delta.objects.exists()
    assert folded == {"executed": 40, "failed": 15}
    for tenant in (acme, bravo):
        assert (
            selectors.finished_count(tenant_id=tenant.pk)
            == ExecutionLog.objects.filter(tenant=tenant).count()
        )
    first, fifth = UserForms(["u-0"], []), UserForms(["5"], [5])
    assert selectors.finished_count(tenant_id=acme.pk, user=first, status="success") == 14
    assert selectors.finished_count(tenant_id=acme.pk, user=first, status="failed") == 0
    assert selectors.finished_count(tenant_id=bravo.pk, user=fifth) == 15
    assert Counter.objects.aggregate(n=Sum("n")) == {"n": 55}
    totals = {row.tenant_id: row for row in TenantTotals.objects.all()}
    assert (totals[acme.pk].tasks_executed, totals[acme.pk].tasks_failed) == (40, 0)
    assert (totals[bravo.pk].term_executed, totals[bravo.pk].term_failed) == (0, 15)
    assert totals[bravo.pk].term_epoch == leader.epoch


def test_totals_of_a_term_begin_with_it(session: Session, everyone: None, acme: Any, live_db: str) -> None:
    for replica, expected in (("first", (2, 2)), ("second", (4, 2))):
        put(session, acme, execution(acme), execution(acme))
        with session.cursor() as cursor:
            rows = queue.claim(worker="w", limit=5, lease_seconds=30.0).on(cursor)
            queue.complete([end_of(row) for row in rows]).on(cursor)
        leader = LeaderSession.acquire(replica=replica, timings=UNHURRIED)
        try:
            CounterFold().run_once(leader)
        finally:
            leader.close(reason="test over")
        totals = TenantTotals.objects.get()
        assert (totals.tasks_executed, totals.term_executed) == expected


def test_partitions_are_made_ahead_and_guarded(session: Session, leader: LeaderSession) -> None:
    day = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y%m%d")
    names = [f"executions_{kind}_{day}" for kind in ("executionlog", "executionoutput", "attempt")]
    keeper = PartitionKeeper()
    for name in names:
        session.execute(psycopg.sql.SQL("DROP TABLE {}").format(psycopg.sql.Identifier(name)))
    assert keeper.run_once(leader).counts == {"partitions_made": 3}
    assert keeper.run_once(leader).counts == {"partitions_made": 0}
    guarded = session.execute(
        "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relrowsecurity AND relforcerowsecurity",
        [names],
    ).fetchall()
    assert sorted(name for (name,) in guarded) == sorted(names)


def test_partitions_wait_for_a_long_reader_without_failing(session: Session, leader: LeaderSession) -> None:
    day = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y%m%d")
    session.execute(f"DROP TABLE executions_attempt_{day}")
    keeper = PartitionKeeper()
    with session.transaction():
        session.execute("LOCK TABLE executions_attempt IN ACCESS SHARE MODE")
        blocked = keeper.run_once(leader)
    if blocked.counts == {"partitions_blocked": 1}:
        assert blocked.wake_in is not None
        assert keeper.run_once(leader).counts == {"partitions_made": 1}
    else:
        pytest.fail("creating a partition took no lock that a reader holds off")
