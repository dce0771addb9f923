"""Whose turn it is: tenants take turns, whatever they put in, and each has its own urgent work first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.executions import queue, services
from apps.executions.models import Execution, ExecutionLog
from apps.executions.queue import NewExecution, Taken
from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Plan
from apps.vault.services import content_put
from tests.dispatching import stand
from tests.replicas import wait_for
from tests.workers import Session, execution

pytestmark = pytest.mark.usefixtures("all_tenants")


@pytest.fixture
def default_caps(live_db: str, plan: Plan) -> Iterator[int]:
    most: int = Plan._meta.get_field("max_concurrency").default
    Plan.objects.filter(pk=plan.pk).update(max_concurrency=most)
    yield most
    with all_tenants_scope():
        Plan.objects.filter(pk=plan.pk).update(max_concurrency=0)


def many(tenant: Any, count: int, **fields: Any) -> list[NewExecution]:
    one = execution(tenant, **fields)
    return [replace(one, scheduled_for=one.scheduled_for - timedelta(microseconds=n)) for n in range(count)]


def add(session: Session, *rows: NewExecution) -> list[int]:
    with session.cursor() as cursor:
        return queue.enqueue(cursor, rows)


def claim(session: Session, limit: int) -> Taken:
    with session.cursor() as cursor:
        return queue.claim(worker="w", limit=limit, lease_seconds=60.0).on(cursor)


def rank_due(session: Session, limit: int = 1000) -> int:
    with session.cursor() as cursor:
        return queue.rank_due(limit=limit).on(cursor)


def due_soon(session: Session, *rows: NewExecution) -> None:
    """Rows that waited for their time, and whose time has come."""
    later = datetime.now(UTC) + timedelta(hours=1)
    ids = add(session, *[replace(row, run_at=later) for row in rows])
    assert Execution.objects.filter(pk__in=ids, rank=None).count() == len(rows)
    session.execute("UPDATE executions_execution SET run_at = clock_timestamp() WHERE id = ANY (%s)", [ids])


def test_tenants_take_turns(session: Session, acme: Any, bravo: Any) -> None:
    add(session, *many(acme, 200))
    claim(session, 50)
    add(session, *many(bravo, 5))
    turns = [row.tenant_id for row in claim(session, 12)]
    # The later comer is a step behind the one whose turn it was, and from there on they alternate.
    assert turns[:1] == [acme.pk]
    assert [set(turns[n : n + 2]) for n in range(1, 11, 2)] == [{acme.pk, bravo.pk}] * 5


def test_what_somebody_asks_for_takes_its_turn_too(session: Session, acme: Any, bravo: Any) -> None:
    """In a tenant's scope nobody else's rows are seen; a backfill stands behind the queue's clock all the same."""
    add(session, *many(acme, 50))
    finished = claim(session, 40)
    start = Execution.objects.filter(state="pending").order_by("rank").values_list("rank", flat=True)[0]
    job = Job.objects.get(pk=finished[0].job_id)
    with tenant_scope(bravo):
        theirs = stand(bravo, datetime.now(UTC))
        services.execution_trigger(job=theirs)
        times = [datetime.now(UTC) - timedelta(days=1, seconds=n) for n in range(20)]
        services.executions_backfill(job=theirs, times=times, start=times[0], pace=timedelta(0))
    assert start == 41
    ranks = Execution.objects.filter(tenant=bravo).order_by("rank").values_list("rank", flat=True)
    assert list(ranks) == list(range(start, start + 21))
    with tenant_scope(acme):
        services.execution_trigger(job=job)
    turns = [row.tenant_id for row in claim(session, 12)]
    assert Counter(turns[:10]) == {acme.pk: 5, bravo.pk: 5}


def test_priority_orders_a_tenants_own_and_nobody_elses(session: Session, acme: Any, bravo: Any) -> None:
    add(session, *many(acme, 50, job_name="plain"), *many(bravo, 3, job_name="theirs"))
    add(session, *many(acme, 3, job_name="urgent", priority=9), *many(acme, 2, job_name="idle", priority=-9))
    taken = claim(session, 100)
    own = [row.job_name for row in taken if row.tenant_id == acme.pk]
    # A place that was given is kept: the one whose turn it was goes first, the urgent ones come right behind.
    assert own.index("urgent") <= 1
    assert sorted(own[:6].count(name) for name in ("urgent", "plain")) == [3, 3]
    assert own[-2:] == ["idle", "idle"]
    # Meanwhile the tenant has two turns, the urgent one's and the one it had before.
    assert [row.tenant_id for row in taken][:9].count(bravo.pk) == 3


@pytest.mark.parametrize("way", ["enqueued", "came due"])
def test_burst_puts_nobodys_first_row_behind_it(session: Session, acme: Any, bravo: Any, way: str) -> None:
    rows = many(acme, 300)
    if way == "enqueued":
        add(session, *rows)
        add(session, execution(bravo))
    else:
        due_soon(session, *rows)
        assert rank_due(session) == 300
        due_soon(session, execution(bravo))
        assert rank_due(session) == 1
    assert bravo.pk in [row.tenant_id for row in claim(session, 3)]


def test_what_comes_due_takes_its_place_behind_its_tenants_own(session: Session, acme: Any) -> None:
    add(session, *many(acme, 5, job_name="waiting"))
    due_soon(session, *many(acme, 2, job_name="urgent", priority=1), *many(acme, 2, job_name="due"))
    assert rank_due(session, limit=3) == 3
    assert rank_due(session) == 1
    assert rank_due(session) == 0
    names = [row.job_name for row in claim(session, 100)]
    assert names[-2:] == ["due", "due"]
    assert sorted(names[:4]) == ["urgent", "urgent", "waiting", "waiting"]


def test_what_is_not_due_has_no_place(session: Session, acme: Any) -> None:
    later = datetime.now(UTC) + timedelta(minutes=1)
    add(session, execution(acme, run_at=later))
    assert rank_due(session) == 0
    assert claim(session, 10) == []
    with session.cursor() as cursor:
        now, due = queue.look_ahead().on(cursor)
    assert due == pytest.approx(later.timestamp(), abs=0.001)
    assert now < due


def test_place_is_kept_by_what_is_handed_back_or_reaped_and_not_by_what_failed(
    session: Session, acme: Any
) -> None:
    add(session, *many(acme, 3))
    first, second, third = claim(session, 3)
    with session.cursor() as cursor:
        queue.release([{"id": second.id, "token": second.token}], worker="w").on(cursor)
        failed: Any = {
            "outcome": "failed",
            "error_message": "x",
            "started": 1.0,
            "finished": 2.0,
            "delay": 0.0,
        }
        queue.retry([{"id": third.id, "token": third.token, **failed}], worker="w").on(cursor)
    ranks = dict(Execution.objects.values_list("pk", "rank"))
    assert ranks == {first.id: first.rank, second.id: second.rank, third.id: None}
    assert rank_due(session) == 1
    assert [row.id for row in claim(session, 3)] == [second.id, third.id]


def test_tenants_hundred_thousand_delay_nobodys_ten(
    session: Session, start: Any, acme: Any, bravo: Any, default_caps: int
) -> None:
    """All due in one second, with the caps of the default plan: the ten start within 250 ms of their time."""
    hundred = many(acme, 1, target="tests.wait", content_version=1)
    ten = many(bravo, 10, content_version=1)
    for tenant, rows, params in ((acme, hundred, {"seconds": 0.2}), (bravo, ten, {})):
        with tenant_scope(tenant):
            content_put(job_id=rows[0].job_id, version=1, content=params)
    worker = start("w", "--concurrency", "100")
    wait_for(lambda: "claims" in _sessions(session), "the worker is there", seconds=30)
    add(session, *hundred)
    session.execute(
        "INSERT INTO executions_execution ("
        " tenant_id, job_id, job_name, user_id, kind, scheduled_for, run_at, task_type, target, epoch, priority,"
        " content_version, timeout_seconds, max_attempts, retry_delay_seconds,"
        " retry_max_delay_seconds, rank)"
        " SELECT tenant_id, job_id, job_name, user_id, kind, scheduled_for - n * interval '1 ms', run_at, task_type,"
        " target, epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds,"
        " retry_max_delay_seconds, n FROM executions_execution, generate_series(1, 100000) AS n"
        " WHERE tenant_id = %s LIMIT 100000",
        [acme.pk],
    )
    with session.transaction(), session.cursor() as cursor:
        queue.notify_work(cursor)
    wait_for(
        lambda: Execution.objects.filter(tenant_id=acme.pk, state="leased").count() == default_caps,
        "the cap is reached",
    )
    lags = []
    for round_number in range(3):  # this machine may be busy with other things; the design is not
        due = datetime.now(UTC)
        rows = [
            replace(row, run_at=due, scheduled_for=row.scheduled_for + timedelta(hours=1 + round_number))
            for row in ten
        ]
        with session.cursor() as cursor:
            ids = queue.enqueue(cursor, rows)
        logs = wait_for(
            lambda ids=ids: len(logs := list(ExecutionLog.objects.filter(pk__in=ids))) == 10 and logs,  # type: ignore[misc]
            "the ten ran",
        )
        lags.append(max((log.started_at - due).total_seconds() for log in logs))
    assert min(lags) < 0.25, lags
    assert Execution.objects.filter(tenant_id=acme.pk, state="pending").count() > 90_000
    worker.end()


def _sessions(session: Session) -> str:
    rows = session.execute(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
    ).fetchall()
    return " ".join(name for (name,) in rows if name.startswith("scheduler worker"))
