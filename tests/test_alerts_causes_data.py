"""As test_alerts_causes: what has drifted, and what fills the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from apps.executions import queue
from apps.executions.models import Skip, TenantTotals
from apps.jobs import services
from apps.jobs.models import Cursor
from apps.operations.gauges import read_gauges
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.alerts import Watch
from tests.contract.line import check, make_due, work
from tests.drift import run
from tests.ledgers import finished, midnight, old_days
from tests.replicas import wait_for
from tests.test_alerts_causes import ago, once
from tests.test_platform_reconcile import connect, monitoring
from tests.workers import Session, end_of, execution, put


@contextmanager
def rewriting(session: Session, table: str) -> Iterator[None]:
    """What may only be appended to can be made older."""
    session.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER")
    try:
        yield
    finally:
        session.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER")


def test_reconcile_failures(watch: Watch, session: Session, acme: Any, plan: Any) -> None:
    connect(acme, "bob")
    plans = type(plan).objects.filter(pk=plan.pk)
    with all_tenants_scope():
        plans.update(allowed_tasks=["tests.noop"])
    try:
        assert run(kinds=["platform_jobs"]).counts["failures"] == 1
    finally:
        with all_tenants_scope():  # on the plan's page in the admin
            plans.update(allowed_tasks=plan.allowed_tasks)
    assert watch.fires()
    watch.act()
    assert len(monitoring(acme)) == 1
    assert watch.fires(), "what failed within the hour"
    with rewriting(session, "tenants_auditentry"):
        session.execute("UPDATE tenants_auditentry SET at = at - interval '61 minutes'")
    assert not watch.fires()


def test_platform_skipped(watch: Watch, acme: Any) -> None:
    """Nobody led for some of its ticks, of which the last one is made up for."""
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
    watch.act()
    with all_tenants_scope():
        hour = timedelta(hours=1)
        Skip.objects.update(first=F("first") - hour, last=F("last") - hour)
    assert not watch.fires(), "a quiet hour"


def test_stat_drift(watch: Watch, acme: Any) -> None:
    for _ in range(3):
        make_due(once(acme))
    work()
    assert not watch.fires()
    with all_tenants_scope():
        TenantTotals.objects.update(tasks_executed=F("tasks_executed") + 100)
    assert watch.fires()
    watch.act()
    assert not watch.fires()


def test_platform_without_job(watch: Watch, acme: Any) -> None:
    assert not watch.fires()
    connect(acme, "bob")
    assert watch.fires()
    watch.act()
    assert not watch.fires()


def test_old_transaction(watch: Watch) -> None:
    watch.at(0.3)
    forgotten = machine.connect(application_name="a process that hangs")
    try:
        forgotten.execute("BEGIN")
        forgotten.execute("SELECT 1")
        wait_for(lambda: watch.figure > 0.3, "it grows old")
        assert watch.fires()
        watch.act(pid=forgotten.info.backend_pid)
        assert not watch.fires()
    finally:
        forgotten.close()


def test_dead_tuples(watch: Watch, session: Session, acme: Any) -> None:
    watch.at(200)
    assert not watch.fires()
    put(session, acme, *[execution(acme) for _ in range(150)])
    with session.cursor() as cursor:
        rows = queue.claim(worker="w", limit=150, lease_seconds=60).on(cursor)
        assert queue.complete([end_of(row) for row in rows]).on(cursor).completed == 150
    session.execute("SELECT pg_stat_force_next_flush()")
    wait_for(lambda: watch.figure > 200, "the server's statistics")
    assert watch.fires()
    watch.act(table="executions_execution")
    assert not watch.fires()


def test_unplaced_rows(watch: Watch, acme: Any) -> None:
    assert not watch.fires()
    day = midnight(-1)
    with old_days(), connection.cursor() as cursor:
        for table in ("attempt", "executionlog", "executionoutput"):
            cursor.execute(f"DROP TABLE IF EXISTS executions_{table}_{day:%Y%m%d}")
        finished(acme, -1, 3)
        assert watch.fires()
        watch.act(day=f"{day:%Y-%m-%d}")
        assert not watch.fires()


def test_connections(watch: Watch) -> None:
    assert not watch.fires()
    watch.at(watch.figure + 8 / read_gauges()["scheduler_connections_max"])
    assert not watch.fires()
    with ExitStack() as many:
        idle = [many.enter_context(machine.connect(application_name="too many")) for _ in range(16)]
        assert watch.fires()
        for session in idle:
            watch.act(pid=session.info.backend_pid)
    wait_for(lambda: not watch.alert.holds(watch.figure), "they are gone")
    assert not watch.fires()
