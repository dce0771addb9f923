"""How many of a tenant's and of a job's executions run at once: never more than the cap, and all of them in the end."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from apps.executions import queue
from apps.executions.models import Execution, ExecutionLog
from apps.executions.queue import HEAD, PINNED_PLANS, Claimed, NewExecution, Taken
from apps.leadership.locks import CLASS, Lock
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Plan
from apps.vault.services import content_put
from tests.replicas import wait_for
from tests.workers import Session, end_of, execution, job_of

WORKERS = 8


pytestmark = pytest.mark.usefixtures("all_tenants")


@pytest.fixture
def cap(live_db: str, plan: Plan) -> Iterator[Callable[[int], int]]:
    """Sets what a tenant of the tests' plan may have running; each of them."""

    def set_cap(most: int) -> int:
        return Plan.objects.filter(pk=plan.pk).update(max_concurrency=most)

    yield set_cap
    with all_tenants_scope():
        set_cap(0)


def add(session: Session, *rows: NewExecution) -> list[int]:
    with session.cursor() as cursor:
        return sorted(queue.enqueue(cursor, rows))


def many(tenant: Any, count: int, **fields: Any) -> list[NewExecution]:
    one = execution(tenant, **fields)
    return [
        replace(one, scheduled_for=one.scheduled_for - timedelta(microseconds=n), **fields)
        for n in range(count)
    ]


def send(
    session: Session, tenant: Any, *rows: NewExecution, params: dict[str, Any] | None = None
) -> list[int]:
    """As `put`, of rows that share their jobs' contents."""
    with tenant_scope(tenant):
        for job_id, version in {(row.job_id, row.content_version) for row in rows}:
            content_put(job_id=job_id, version=version, content=params or {})
    with session.cursor() as cursor:
        return sorted(queue.enqueue(cursor, rows))


def claim(session: Session, limit: int = 100, **options: Any) -> Taken:
    with session.cursor() as cursor:
        return queue.claim(worker="w", limit=limit, lease_seconds=60.0, **options).on(cursor)


def finish(session: Session, *rows: Claimed) -> int:
    with session.cursor() as cursor:
        return queue.complete([end_of(row) for row in rows]).on(cursor).completed


# -- the statement -----------------------------------------------------------------------------------------------


def test_tenants_cap_is_each_tenants_own(session: Session, acme: Any, bravo: Any, cap: Any) -> None:
    cap(3)
    add(session, *many(acme, 10), *many(bravo, 2))
    taken = claim(session)
    assert Counter(row.tenant_id for row in taken) == {acme.pk: 3, bravo.pk: 2}
    assert claim(session) == []
    assert finish(session, *[row for row in taken if row.tenant_id == acme.pk][:2]) == 2
    assert [row.tenant_id for row in claim(session)] == [acme.pk, acme.pk]


def test_plan_with_cap_zero_has_none(session: Session, acme: Any, cap: Any) -> None:
    cap(0)
    add(session, *many(acme, 150))
    assert len(claim(session, 150)) == 150


def test_jobs_cap_holds_back_that_job_alone(session: Session, acme: Any, cap: Any) -> None:
    cap(4)
    queued = job_of(acme, "one at a time")
    add(session, *many(acme, 5, job_id=queued, max_concurrency=1, priority=5))
    add(session, *many(acme, 5, job_id=job_of(acme, "free"), job_name="free"))
    taken = claim(session)
    assert Counter(row.job_id == queued for row in taken) == {True: 1, False: 3}
    assert finish(session, *[row for row in taken if row.job_id == queued]) == 1
    (after,) = claim(session)
    assert after.job_id == queued


def test_place_is_freed_by_whatever_ends_a_lease_and_by_nothing_else(
    session: Session, acme: Any, cap: Any
) -> None:
    cap(1)
    first, _ = add(session, *many(acme, 2))
    (row,) = claim(session)
    session.execute(
        "UPDATE executions_execution SET lease_expires_at = now() - interval '1 s' WHERE id = %s", [row.id]
    )
    assert claim(session) == []  # it may run still: until the reaper has taken it back it counts
    with session.cursor() as cursor:
        assert queue.release([{"id": row.id, "token": row.token}], worker="w").on(cursor).moved == 1
    (again,) = claim(session)
    assert again.id == first
    with session.cursor() as cursor:
        failed: Any = {
            "id": again.id,
            "token": again.token,
            "outcome": "failed",
            "error_message": "x",
            "started": 1.0,
            "finished": 2.0,
            "delay": 60.0,
        }
        assert queue.retry([failed], worker="w").on(cursor).moved == 1
    assert [row.id for row in claim(session)] != [first]


def test_claim_goes_on_behind_what_caps_hold_back(session: Session, acme: Any, bravo: Any, cap: Any) -> None:
    cap(1)
    add(session, *many(acme, 500))
    claim(session, 1)
    session.execute("UPDATE executions_execution SET rank = rank + 1000 WHERE tenant_id = %s", [bravo.pk])
    (behind,) = add(session, execution(bravo))
    session.execute("UPDATE executions_execution SET rank = 10000 WHERE id = %s", [behind])
    position, looked = HEAD, 0
    while not (taken := claim(session, 10, after=position)):
        assert taken.walked == 120
        position, looked = taken.end, looked + 1
    assert (
        looked == 4
    )  # 499 rows wait: each window of twice the limit and a hundred, and no row looked at twice
    assert [row.id for row in taken] == [behind]


# -- the lock ----------------------------------------------------------------------------------------------------


def test_claimer_that_does_not_read_holds_up_nobody(session: Session, live_db: str, acme: Any) -> None:
    """A worker stopped the moment it has asked: the server has committed before it sends a row of any length."""
    add(session, *many(acme, 20_000, job_name="n" * 200))
    stopped = machine.connect(application_name="stopped", session_settings=PINNED_PLANS)
    try:
        call = queue.claim(worker="stopped", limit=1, lease_seconds=60.0)
        with stopped.cursor() as cursor:
            call.on(cursor)  # prepares it
        call = replace(call, params={**call.params, "limit": 19_000, "window": 20_000})
        stopped.pgconn.send_query(call.message(stopped).encode())
        wait_for(
            lambda: session.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'stopped' AND wait_event = 'ClientWrite'"
                " AND datname = current_database()"
            ).fetchone(),
            "the server waits for a client that does not read",
        )
        session.execute("SET lock_timeout = '5s'")
        assert len(claim(session, 10)) == 10
    finally:
        stopped.close()


def test_claims_wait_for_each_other_within_a_limit(session: Session, live_db: str, acme: Any) -> None:
    add(session, *many(acme, 3))
    with psycopg.connect(live_db) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLASS, Lock.CLAIMS])
        session.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            claim(session)
        session.rollback()
        other.rollback()
    assert len(claim(session)) == 3


# -- workers -----------------------------------------------------------------------------------------------------


def spans(record: Path) -> list[tuple[str, str, float, float]]:
    """Tenant, job, begin and end of each run, on the clock of the machine."""
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return [(line["tenant"], line["job"], line["began"], line["ended"]) for line in lines]


def most_at_once(runs: list[tuple[float, float]]) -> int:
    # At one instant an end comes before a beginning: that is a place handed on.
    events = sorted([(began, 1) for began, _ in runs] + [(ended, -1) for _, ended in runs])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


def test_caps_hold_exactly_with_eight_workers_racing(
    session: Session, start: Any, tmp_path: Path, acme: Any, bravo: Any, cap: Any
) -> None:
    cap(5)
    record = tmp_path / "record"
    narrow = job_of(acme, "two at once")
    rows = {
        acme: [
            *many(acme, 150, target="tests.span"),
            *many(acme, 60, target="tests.span", job_id=narrow, max_concurrency=2),
        ],
        bravo: many(bravo, 150, target="tests.span"),
    }
    stop, leased, most = threading.Event(), Counter[int](), Counter[int]()

    def watch() -> None:
        with machine.connect(application_name="tests, watching") as own:
            while not stop.is_set():
                leased.clear()
                leased.update(
                    dict(
                        own.execute(
                            "SELECT tenant_id, count(*) FROM executions_execution WHERE state = 'leased' GROUP BY 1"
                        ).fetchall()
                    )
                )
                for tenant_id, n in leased.items():
                    most[tenant_id] = max(most[tenant_id], n)

    watching = threading.Thread(target=watch)
    for number in range(WORKERS):
        start(f"w{number}", "--concurrency", "20")
    wait_for(
        lambda: (
            session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scheduler worker % claims'"
                " AND datname = current_database()"
            ).fetchall()
            == [(WORKERS,)]
        ),
        "all workers are there",
        seconds=60,
    )
    watching.start()
    try:
        ids = [
            send(session, tenant, *of_tenant, params={"file": str(record), "seconds": 0.004})
            for tenant, of_tenant in rows.items()
        ]
        total = sum(map(len, ids))
        wait_for(
            lambda: ExecutionLog.objects.filter(status="success").count() == total, "all ran", seconds=90
        )
    finally:
        stop.set()
        watching.join(10)
    runs = spans(record)
    assert len(runs) == total
    for tenant, limit in ((acme, 5), (bravo, 5)):
        at_once = most_at_once(
            [(began, ended) for name, _, began, ended in runs if name == tenant.schema_name]
        )
        assert at_once <= limit
        assert 1 < most[tenant.pk] <= limit
    assert most_at_once([(began, ended) for _, job, began, ended in runs if job == narrow]) <= 2
    assert len(set(ExecutionLog.objects.values_list("worker", flat=True))) > 1  # they did race
    assert not Execution.objects.exists()


def test_stopped_worker_keeps_the_others_from_nothing(
    session: Session, start: Any, acme: Any, tmp_path: Path
) -> None:
    one = start("one", "--concurrency", "5", LEASE_SECONDS="60")
    send(session, acme, *many(acme, 400, target="tests.wait"), params={"seconds": 0.01})
    wait_for(lambda: ExecutionLog.objects.filter(worker="one").exists(), "the first is at work", seconds=30)
    os.kill(one.pid, signal.SIGSTOP)
    try:
        start("two", "--concurrency", "5")
        # All but what the first one holds.
        wait_for(
            lambda: not Execution.objects.exclude(worker="one", state="leased").exists(),
            "the second did the rest",
            seconds=60,
        )
    finally:
        os.kill(one.pid, signal.SIGCONT)
    wait_for(lambda: not Execution.objects.exists(), "the first did its own")
    assert ExecutionLog.objects.filter(status="success").count() == 400


def test_freed_place_is_taken_at_once(session: Session, start: Any, acme: Any, cap: Any) -> None:
    """By a worker that has nothing to do but wait: it is woken by its own completion, not by its poll."""
    cap(1)
    start("w", WORKER_POLL="30")
    ids = send(session, acme, *many(acme, 40))
    wait_for(lambda: ExecutionLog.objects.count() == 40, "all ran, one after the other", seconds=30)
    logs = list(ExecutionLog.objects.filter(pk__in=ids).order_by("started_at"))
    gaps = sorted(
        (after.started_at - before.finished_at).total_seconds()  # type: ignore[operator]
        for before, after in pairwise(logs)
    )
    assert gaps[0] >= -0.001
    assert gaps[len(gaps) // 2] < 0.09  # were it the cap's own poll, it would be that
