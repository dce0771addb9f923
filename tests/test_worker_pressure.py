"""A worker under pressure: a server that may not write, writes that are held up, a small cache, a vault it cannot open,
and partitions made under its feet.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from apps.executions import content, queue
from apps.executions.claimer import MAX_BATCH
from apps.executions.content import ContentCache, Work
from apps.executions.limits import Limits
from apps.executions.models import Execution, ExecutionLog, ExecutionOutput
from apps.executions.reaper import Reaper
from apps.executions.targets.context import ExecutionContext, Resources
from apps.executions.targets.registry import task
from apps.executions.vault_reading import FRESH_SECONDS
from apps.executions.worker import Worker
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.vault.models import Endpoint, Secret
from apps.vault.services import content_put, endpoint_put, secret_put
from tests.leaders import UNHURRIED
from tests.replicas import wait_for
from tests.workers import Session, end_of, execution, put, workers

LIMITS = Limits(lease=60.0, heartbeat=5.0, poll=0.1, drain=10.0, concurrency=10, processes=1)
began: Counter[int] = Counter()
gate = threading.Event()


@task("tests.gated")
async def gated(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> str:
    """Says that it began, and lasts until the gate is opened."""
    began[context.execution_id] += 1
    await asyncio.to_thread(gate.wait, 30)
    return "through the gate"


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as session:
        yield session


@pytest.fixture
def other(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests, beside") as session:
        yield session


@pytest.fixture(autouse=True)
def everyone(live_db: str) -> Iterator[None]:
    with all_tenants_scope():
        yield


@contextmanager
def working() -> Iterator[Worker]:
    """A worker in a thread of its own; stopped at the end, and what it raised is raised here."""
    ready, made, errors = threading.Event(), [], []

    async def work() -> None:
        worker = Worker(limits=LIMITS, name="here")
        made.append((worker, asyncio.get_running_loop()))
        ready.set()
        await worker.run()

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    worker, loop = made[0]
    try:
        yield worker
    finally:
        gate.set()
        if not loop.is_closed():
            loop.call_soon_threadsafe(worker.stop)
        thread.join(30)
        if errors:
            raise errors[0]


def ended(n: int, *, seconds: float = 6.0) -> list[ExecutionLog]:
    wait_for(lambda: ExecutionLog.objects.count() == n, f"{n} executions in the ledger", seconds=seconds)
    return list(ExecutionLog.objects.order_by("pk"))


@contextmanager
def may_not_write(session: Session) -> Iterator[None]:
    """As in a failover: the workers' sessions end, and where they connect again nothing may be written."""
    row = session.execute("SELECT format('%I IN DATABASE %I', current_user, current_database())").fetchone()
    assert row is not None
    session.execute(f"ALTER ROLE {row[0]} SET default_transaction_read_only = on")
    try:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'scheduler worker here %' AND datname = current_database()"
        )
        yield
    finally:
        session.execute(f"ALTER ROLE {row[0]} RESET default_transaction_read_only")


def test_results_outlive_a_server_that_may_not_write(
    session: Session, acme: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate.clear()
    began.clear()
    caplog.set_level(logging.WARNING, "apps.executions.reconnecting")

    def met_it(which: str) -> bool:
        """Lost its session, and then the next one, too: that was of the server that may not write."""
        return sum(f"here {which}:" in message for message in caplog.messages) >= 2

    ids = put(session, acme, *[execution(acme, "tests.gated", max_attempts=3) for _ in range(3)])
    with working() as worker:
        wait_for(lambda: len(began) == 3, "all begun")
        with may_not_write(session):
            gate.set()
            wait_for(lambda: worker.running == 0, "all through the gate")
            for which in ("claims", "writes"):
                wait_for(lambda which=which: met_it(which), f"{which} met the server", seconds=6)  # type: ignore[misc]
            assert not ExecutionLog.objects.exists()
        logs = ended(3)
        (later,) = put(session, acme, execution(acme))
        assert ended(4)[-1].pk == later  # it claims again, too
    assert [(log.pk, log.status, log.attempts) for log in logs] == [(pk, "success", 1) for pk in ids]
    assert began == Counter(ids)
    assert worker.counts["completed"] == 4


def test_a_worker_whose_writes_are_held_up_claims_no_more_than_it_can_hold(
    session: Session, other: Session, acme: Any
) -> None:
    first = execution(acme)
    rows = [
        replace(first, scheduled_for=first.scheduled_for - timedelta(milliseconds=n)) for n in range(1500)
    ]
    with tenant_scope(acme):
        content_put(job_id=first.job_id, version=first.content_version, content={})
    with session.cursor() as cursor:
        queue.enqueue(cursor, rows)
    seen, since = -1, 0.0

    def claims_no_more() -> bool:
        """For ten of its polls: with places free and work due, it would have claimed at each."""
        nonlocal seen, since
        leased = Execution.objects.filter(state="leased").count()
        if leased != seen:
            seen, since = leased, monotonic()
        return seen > 0 and monotonic() - since > 10 * LIMITS.poll

    other.execute("BEGIN")
    other.execute("LOCK TABLE executions_attempt IN ACCESS EXCLUSIVE MODE")
    with working() as worker:
        try:
            wait_for(claims_no_more, "an end of claiming")
            assert LIMITS.concurrency < seen <= 2 * LIMITS.concurrency + MAX_BATCH
            assert worker.running == 0
        finally:
            other.execute("ROLLBACK")
        ended(1500, seconds=10)
    assert worker.counts["claimed"] == worker.counts["completed"] == 1500


def test_a_blocked_loop_loses_none_of_fifty_leases(
    session: Session, acme: Any, bravo: Any, live_db: str, tmp_path: Path
) -> None:
    """A real worker, leases of two seconds, and a handler that keeps the event loop to itself for five."""
    (blocking,) = put(session, acme, execution(acme, "tests.block"), params={"seconds": 5})
    ids = [blocking]
    for tenant in (acme, bravo):
        rows = [execution(tenant, "tests.wait") for _ in range(25)]
        ids += put(session, tenant, *rows, params={"seconds": 0.1})
    leader = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    reaped = 0

    def over() -> bool:
        nonlocal reaped
        reaped += Reaper().run_once(leader).counts["reaped"]
        return ExecutionLog.objects.count() == len(ids)

    try:
        with workers(live_db, tmp_path) as start:
            start("blocked", LEASE_SECONDS="2", LEASE_HEARTBEAT="0.4")
            wait_for(lambda: Execution.objects.filter(state="leased").count() == len(ids), "all leased")
            wait_for(over, "all in the ledger", seconds=30)
    finally:
        leader.close(reason="test over")
    assert reaped == 0
    assert set(ExecutionLog.objects.values_list("status", "attempts")) == {("success", 1)}
    assert ExecutionLog.objects.get(pk=blocking).execution_time_ms >= 5000


def test_what_a_draining_worker_hands_back_is_taken_up_at_once(
    session: Session, acme: Any, live_db: str, tmp_path: Path
) -> None:
    """By one that was told: it asks by itself only every half minute."""
    (held,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 600})

    def holder() -> str | None:
        return Execution.objects.filter(pk=held).values_list("worker", flat=True).first()

    with workers(live_db, tmp_path) as start:
        leaver = start("leaver", WORKER_DRAIN="1")
        wait_for(lambda: holder() == "leaver", "the first lease")
        start("heir", WORKER_POLL="30")
        wait_for(
            lambda: session.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'scheduler worker heir claims%'"
            ).fetchone(),
            "the heir listens",
        )
        told = monotonic()
        leaver.process.send_signal(signal.SIGTERM)
        wait_for(lambda: holder() == "heir", "the second lease", seconds=10)
        took = monotonic() - told
        assert leaver.wait() == 0
    assert 1 <= took < 1.5


def test_content_that_is_pushed_out_while_it_is_wanted_is_not_missing(
    session: Session, acme: Any, bravo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_CONTENTS", 1)
    put(session, acme, execution(acme), params={"who": "acme"})
    put(session, bravo, execution(bravo), params={"who": "bravo"})
    with session.cursor() as cursor:
        rows = queue.claim(worker="tests", limit=2, lease_seconds=60).on(cursor)
    mine, theirs = sorted(rows, key=lambda row: row.tenant_id != acme.pk)

    async def burst() -> list[Work]:
        cache = ContentCache()
        try:
            await cache.load(mine)
            # Mine is there and only its tenant's surroundings are read again, after theirs has taken its place.
            return await asyncio.gather(cache.load(theirs), cache.load(mine))
        finally:
            await cache.close()

    assert [work.params for work in asyncio.run(burst())] == [{"who": "bravo"}, {"who": "acme"}]


def test_a_worker_hears_of_a_new_endpoint_and_of_that_tenants_alone(
    session: Session, acme: Any, bravo: Any
) -> None:
    assert FRESH_SECONDS > 30, "or it would look by itself"

    def deliver(tenant: Any, url: str | None = None) -> str:
        with tenant_scope(tenant):
            if url is not None:
                endpoint_put(url=url, signing_secrets=["whsec_" + "A" * 44])
        [number] = put(session, tenant, execution(tenant, "tests.echo"))
        wait_for(lambda: ExecutionLog.objects.filter(pk=number).exists(), "it ran", seconds=10)
        with tenant_scope(tenant):
            return str(ExecutionOutput.objects.get(pk=number).result["endpoint"])

    with working():
        assert deliver(acme, "https://acme.example/1") == "https://acme.example/1"
        assert deliver(bravo, "https://bravo.example/1") == "https://bravo.example/1"
        assert deliver(acme, "https://acme.example/2") == "https://acme.example/2"
        assert deliver(bravo) == "https://bravo.example/1"


def test_what_was_read_while_it_changed_is_not_kept(session: Session, acme: Any) -> None:
    put(session, acme, execution(acme))
    with session.cursor() as cursor:
        (row,) = queue.claim(worker="tests", limit=1, lease_seconds=60).on(cursor)

    async def read(*, changing: bool) -> Work | None:
        cache = ContentCache()
        try:
            reading = asyncio.create_task(cache.load(row))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # it has begun
            if changing:
                cache.forget()
            assert (await reading).tenant.schema_name == acme.schema_name
            return cache.cached(row)
        finally:
            await cache.close()

    assert asyncio.run(read(changing=False)) is not None
    assert asyncio.run(read(changing=True)) is None


@pytest.mark.parametrize("what", ["endpoint", "secret"])
def test_what_cannot_be_opened_is_absent_and_the_rest_of_the_tenant_runs(
    session: Session, acme: Any, what: str
) -> None:
    with tenant_scope(acme):
        endpoint_put(url="https://acme.example/hook", signing_secrets=["whsec_" + "A" * 44])
        secret_put(name="token", value="opensesame")
        model, column = (Endpoint, "sealed_secrets") if what == "endpoint" else (Secret, "sealed")
        assert model.objects.update(**{column: b"sealed with a key that this worker does not have"}) == 1
    put(session, acme, execution(acme, "tests.echo"), params={"secret": "token"})
    with working():
        (log,) = ended(1)
    assert (log.status, log.attempts) == ("success", 1)
    with tenant_scope(acme):
        result = ExecutionOutput.objects.get().result
    assert result["endpoint"] == (None if what == "endpoint" else "https://acme.example/hook")


def test_completions_and_new_partitions_do_not_wait_for_each_other(
    session: Session, other: Session, acme: Any
) -> None:
    put(session, acme, *[execution(acme) for _ in range(2)])
    with session.cursor() as cursor:
        rows = queue.claim(worker="tests", limit=2, lease_seconds=60).on(cursor)
    ends = [end_of(row) for row in rows]

    def complete(end: queue.Finished) -> queue.Completed:
        with session.cursor() as cursor:
            return queue.complete([end]).on(cursor)

    def make_partitions() -> Any:
        query = "SELECT executions_create_partitions('2131-01-01', '2131-01-01')"
        with machine.connect(application_name="tests, partitions") as keeper, keeper.transaction(None, True):
            return keeper.execute(query).fetchone()

    complete(ends[0])  # the statement is prepared, as a worker's is
    with ThreadPoolExecutor(2) as threads, other.transaction():
        # What the completion of another worker holds.
        other.execute("LOCK TABLE ONLY executions_executionoutput IN ROW EXCLUSIVE MODE")
        assert threads.submit(make_partitions).result(10) == (3,)
        assert threads.submit(complete, ends[1]).result(10).completed == 1
