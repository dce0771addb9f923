"""Each alert by what really causes it, and its end by what really mends it. The figures are the database's; the time
for which a condition must hold is passed by a clock that runs as the test says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from apps.executions import queue
from apps.executions.models import Skip, TenantTotals
from apps.executions.partitions import PartitionKeeper
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
from apps.leadership.models import LeaderTerm, RefusedWrite
from apps.leadership.refusals import record_late_renewals
from apps.leadership.session import LeaderSession
from apps.operations.alerts.definitions import SEEN_HERE, Alert
from apps.operations.alerts.evaluation import evaluate
from apps.operations.gauges import read_gauges
from apps.operations.models import AlertState
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.contract.line import check, drain, make_due, work
from tests.drift import run
from tests.factories import make_job
from tests.leaders import UNHURRIED
from tests.ledgers import finished, old_days
from tests.replicas import wait_for
from tests.test_platform_reconcile import connect, monitoring
from tests.workers import Session, end_of, execution, put

STEP = 120  # seconds between two looks; a longer break would begin the wait anew


class Watch:
    """Of one alert; `changes` are to its threshold, where the real one would take a machine or an hour."""

    def __init__(self, name: str, **changes: Any) -> None:
        self.alert: Alert = replace(next(alert for alert in SEEN_HERE if alert.name == name), **changes)
        self._now = datetime(2026, 3, 1, tzinfo=UTC)

    @property
    def figure(self) -> float:
        value = self.alert.value(read_gauges())
        assert value is not None
        return value

    def fires(self) -> bool:
        """Whether it does, with the figures of now, once they have lasted for as long as the alert asks."""
        figures = read_gauges()
        end = self._now + timedelta(seconds=self.alert.for_seconds)
        while True:
            evaluate(figures, now=self._now, alerts=[self.alert])
            if self._now >= end:
                return AlertState.objects.get(name=self.alert.name).firing_since is not None
            self._now = min(self._now + timedelta(seconds=STEP), end)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def once(tenant: Any, **fields: Any) -> Job:
    trigger = TriggerSpec.once(datetime.now(UTC) + timedelta(days=1))
    job: Job = make_job(tenant, trigger=trigger, target="tests.noop", payload={}, **fields)
    return job


def ago(**kwargs: float) -> datetime:
    return datetime.now(UTC) - timedelta(**kwargs)


def end(session: Session, n: int, outcome: str) -> None:
    """Claim so many and complete them."""
    with session.cursor() as cursor:
        rows = queue.claim(worker="w", limit=n, lease_seconds=60).on(cursor)
        done = queue.complete([end_of(row, outcome) for row in rows]).on(cursor)
    assert done.completed == n


@contextmanager
def rewriting(session: Session, table: str) -> Iterator[None]:
    """What may only be appended to can be made older."""
    session.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER")
    try:
        yield
    finally:
        session.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER")


def test_no_leader(live_db: str, settings: Any) -> None:
    watch = Watch("SchedulerNoLeader")
    assert watch.fires(), "before the first scheduler"
    first = LeaderSession.acquire(replica="one", timings=UNHURRIED)
    assert not watch.fires()
    first.close(reason="stopped")
    assert watch.fires()
    second = LeaderSession.acquire(replica="two", timings=UNHURRIED)
    try:
        assert not watch.fires()
        settings.LEADER_TRUST_WINDOW = 0.0
        assert watch.fires(), "it leads, and is not heard of"
    finally:
        second.close(reason="test over")


def test_late(live_db: str, acme: Any) -> None:
    watch = Watch("SchedulerLate")
    job = once(acme)
    make_due(job, ago=timedelta(seconds=30))
    assert not watch.fires()
    make_due(job, ago=timedelta(minutes=2))
    assert watch.fires()
    check()
    assert not watch.fires()


def test_queue_old(session: Session, acme: Any) -> None:
    watch = Watch("SchedulerQueueOld")
    put(session, acme, execution(acme, run_at=ago(minutes=4)))
    assert not watch.fires()
    put(session, acme, execution(acme, run_at=ago(minutes=6)))
    assert watch.fires()
    asyncio.run(drain())
    assert not watch.fires()


def test_leases_expired(session: Session, acme: Any) -> None:
    watch = Watch("SchedulerLeasesExpired")
    put(session, acme, execution(acme, max_attempts=2))
    with session.cursor() as cursor:
        queue.claim(worker="dead", limit=1, lease_seconds=0.2).on(cursor)
    assert not watch.fires()
    wait_for(lambda: watch.figure, "the lease runs out, and no leader takes it back")
    assert watch.fires()
    check()
    assert not watch.fires()


def test_failure_rate(session: Session, acme: Any) -> None:
    watch = Watch("SchedulerFailureRate")
    put(session, acme, *[execution(acme) for _ in range(19)])
    end(session, 19, "failed")
    check()
    assert not watch.fires(), "too few to tell"
    put(session, acme, *[execution(acme) for _ in range(21)])
    end(session, 1, "failed")
    check()
    assert watch.fires()
    end(session, 20, "success")
    check()
    assert not watch.fires()


def test_reconcile_failures(session: Session, acme: Any, plan: Any) -> None:
    watch = Watch("SchedulerReconcileFailures")
    connect(acme, "bob")
    plans = type(plan).objects.filter(pk=plan.pk)
    with all_tenants_scope():
        plans.update(allowed_tasks=["tests.noop"])
    try:
        assert run(kinds=["platform_jobs"]).counts["failures"] == 1
    finally:
        with all_tenants_scope():
            plans.update(allowed_tasks=plan.allowed_tasks)
    assert watch.fires()
    assert run(kinds=["platform_jobs"]).counts["created"] == 1
    assert watch.fires(), "what failed within the hour"
    with rewriting(session, "tenants_auditentry"):
        session.execute("UPDATE tenants_auditentry SET at = at - interval '61 minutes'")
    assert not watch.fires()


def test_platform_skipped(live_db: str, acme: Any) -> None:
    """Nobody led for some of its ticks, of which the last one is made up for."""
    watch = Watch("SchedulerPlatformSkipped")
    for user_id, missed in (("ann", 2), ("bob", 3)):
        connect(acme, user_id)
        run(kinds=["platform_jobs"])
        job = monitoring(acme)[-1]
        often = {"trigger_type": "interval", "interval_seconds": 60, "anchor_at": ago(hours=1)}
        services.job_update(tenant=acme, job_id=job.id, changes=often, actor="tests")
        with all_tenants_scope():
            back = timedelta(minutes=missed + 1)
            Cursor.objects.filter(job=job).update(next_run_at=F("next_run_at") - back)
        check()
        assert watch.fires() is (missed >= 3)
    with all_tenants_scope():
        hour = timedelta(hours=1)
        Skip.objects.update(first=F("first") - hour, last=F("last") - hour)
    assert not watch.fires(), "a quiet hour"


def test_stat_drift(live_db: str, acme: Any) -> None:
    watch = Watch("SchedulerStatDrift")
    for _ in range(3):
        make_due(once(acme))
    work()
    assert not watch.fires()
    with all_tenants_scope():
        TenantTotals.objects.update(tasks_executed=F("tasks_executed") + 100)
    assert watch.fires()
    assert run(kinds=["cumulative_stats"]).counts["repaired"] == 1
    assert not watch.fires()


def test_platform_without_job(live_db: str, acme: Any) -> None:
    watch = Watch("SchedulerPlatformWithoutJob")
    assert not watch.fires()
    connect(acme, "bob")
    assert watch.fires()
    assert run(kinds=["platform_jobs"]).counts["created"] == 1
    assert not watch.fires()


def test_leader_flapping(live_db: str) -> None:
    watch = Watch("SchedulerLeaderFlapping")
    for number in range(1, 5):
        LeaderSession.acquire(replica=f"r{number}", timings=UNHURRIED).close(reason="stopped")
        assert watch.fires() is (number > 3)
    LeaderTerm.objects.update(started_at=F("started_at") - timedelta(minutes=10))
    assert not watch.fires(), "ten quiet minutes"


def test_refused_writes(session: Session, acme: Any) -> None:
    watch = Watch("SchedulerRefusedWrites")
    put(session, acme, *[execution(acme, max_attempts=2) for _ in range(11)])
    with session.cursor() as cursor:
        rows = queue.claim(worker="sleeper", limit=11, lease_seconds=0.05).on(cursor)
    wait_for(lambda: check()["reaped"], "taken back")
    with session.cursor() as cursor:
        late = queue.complete([end_of(row) for row in rows]).on(cursor)
    assert late.stale == 11
    record_late_renewals(session, worker="sleeper", renewals=10)
    assert not watch.fires()
    record_late_renewals(session, worker="sleeper", renewals=1)
    assert watch.fires()
    RefusedWrite.objects.update(at=ago(hours=1, minutes=1))
    assert not watch.fires(), "a quiet hour"


def test_old_transaction(session: Session) -> None:
    watch = Watch("SchedulerOldTransaction", threshold=0.3)
    forgotten = machine.connect(application_name="somebody's console")
    try:
        forgotten.execute("BEGIN")
        forgotten.execute("SELECT 1")
        wait_for(lambda: watch.figure > 0.3, "it grows old")
        assert watch.fires()
        session.execute("SELECT pg_terminate_backend(%s, 5000)", [forgotten.info.backend_pid])
        assert not watch.fires()
    finally:
        forgotten.close()


def test_dead_tuples(session: Session, acme: Any) -> None:
    watch = Watch("SchedulerDeadTuples", threshold=200)
    assert not watch.fires()
    put(session, acme, *[execution(acme) for _ in range(150)])
    end(session, 150, "success")
    session.execute("SELECT pg_stat_force_next_flush()")
    wait_for(lambda: watch.figure > 200, "the server's statistics")
    assert watch.fires()
    session.execute("VACUUM executions_execution")
    assert not watch.fires()


def test_unplaced_rows(leader: LeaderSession, acme: Any) -> None:
    watch = Watch("SchedulerUnplacedRows")
    assert not watch.fires()
    with old_days(), connection.cursor() as cursor:
        for table in ("attempt", "executionlog", "executionoutput"):
            cursor.execute(
                f"DROP TABLE IF EXISTS executions_{table}_{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
            )
        finished(acme, -1, 3)
        assert watch.fires()
        assert PartitionKeeper().run_once(leader).counts["rows_moved"] == 9
        assert not watch.fires()


def test_quarantined_jobs(live_db: str, acme: Any) -> None:
    watch = Watch("SchedulerQuarantinedJobs")
    job = once(acme)
    with all_tenants_scope():
        Job.objects.filter(pk=job.pk).update(
            trigger_type="cron", cron_expression="* * * * *", timezone="Mars/Olympus", run_date=None
        )
    check()
    assert not watch.fires(), "not yet due"
    with all_tenants_scope():
        Cursor.objects.update(next_run_at=ago(seconds=1))
    check()
    assert watch.fires()
    mended = {"trigger_type": "cron", "cron_expression": "0 6 * * *", "timezone": "UTC"}
    services.job_update(tenant=acme, job_id=job.id, changes=mended, actor="tests")
    assert not watch.fires()


def test_connections(live_db: str) -> None:
    watch = Watch("SchedulerConnections")
    room = read_gauges()["scheduler_connections_max"]
    assert not watch.fires()
    watch = Watch("SchedulerConnections", threshold=watch.figure + 8 / room)
    assert not watch.fires()
    with ExitStack() as many:
        for _ in range(16):
            many.enter_context(machine.connect(application_name="too many"))
        assert watch.fires()
    wait_for(lambda: not watch.alert.holds(watch.figure), "they are gone")
    assert not watch.fires()
