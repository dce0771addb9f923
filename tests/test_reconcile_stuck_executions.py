"""Live executions that nobody will end: each problem is found, left alone by a dry run, mended once, and fenced."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, Skip
from apps.executions.queue import Finished, complete
from apps.jobs import services as jobs
from apps.jobs.models import Cursor, Job
from apps.operations.reconcilers import RECONCILERS
from apps.operations.statements import read_totals
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Tenant
from apps.vault.models import JobContent
from tests.drift import run
from tests.factories import make_job

KIND = "stuck_executions"
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
TOKEN = uuid.UUID(int=7)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def everyone() -> Iterator[None]:
    with all_tenants_scope():
        yield


def live(job: Job, **columns: Any) -> Execution:
    columns = {
        "kind": "scheduled",
        "scheduled_for": NOW - HOUR,
        "run_at": NOW - HOUR,
        "target": job.target,
        "content_version": job.content_version,
        "epoch": 1,
        **columns,
    }
    row: Execution = Execution.objects.create(
        tenant_id=job.tenant_id,
        job_id=job.id,
        job_name=job.name,
        task_type=job.task_type,
        timeout_seconds=1,
        max_attempts=1,
        retry_delay_seconds=1,
        retry_max_delay_seconds=1,
        **columns,
    )
    return row


def leased(job: Job, *, over_for: timedelta = HOUR, **columns: Any) -> Execution:
    columns = {"attempt": 1, "worker": "w1", "leased_at": NOW - HOUR, **columns}
    return live(
        job, state="leased", lease_token=TOKEN, lease_expires_at=datetime.now(UTC) - over_for, **columns
    )


def logged(row: Execution, **columns: Any) -> None:
    names = (
        "tenant_id",
        "job_id",
        "job_name",
        "kind",
        "scheduled_for",
        "run_at",
        "task_type",
        "target",
        "epoch",
    )
    ExecutionLog.objects.create(
        **{name: getattr(row, name) for name in names},
        status="success",
        attempts=1,
        finished_at=NOW,
        created_at=NOW,
        **columns,
    )


def late_word(row: Execution) -> Any:
    """What the database makes of the worker that held the row and says, too late, that it succeeded."""
    end = Finished(row.id, str(TOKEN), "success", NOW.timestamp(), NOW.timestamp())
    with connection.cursor() as cursor:
        return complete([end]).on(Sync(cursor))


class Sync:
    """Psycopg's own cursor, which takes the statement's binary parameters."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor.connection.cursor()

    def execute(self, *args: Any) -> Any:
        return self._cursor.execute(*args)

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        return rows


def deleted_first(make: Callable[..., Execution], **columns: Any) -> Callable[[Job], Execution]:
    def row(job: Job) -> Execution:
        jobs.job_delete(tenant=job.tenant, job_id=job.id, actor="tests")
        return make(job, **columns)

    return row


def suspended(make: Callable[..., Execution]) -> Callable[[Job], Execution]:
    def row(job: Job) -> Execution:
        Tenant.objects.filter(pk=job.tenant_id).update(status="suspended")
        return make(job)

    return row


def without_content(job: Job) -> Execution:
    with tenant_scope(job.tenant):
        JobContent.objects.all().delete()
    return live(job)


def ended_before(make: Callable[..., Execution]) -> Callable[[Job], Execution]:
    def row(job: Job) -> Execution:
        made = make(job)
        logged(made, id=made.id + 1000)
        return made

    return row


# What is made, its problem, and what becomes of it: (rows live, in the ledger, skipped, attempts on record).
STUCK: dict[str, tuple[Callable[[Job], Execution], str, tuple[int, int, int, int]]] = {
    "a lease that nobody takes back": (leased, "lease_expired", (1, 0, 0, 1)),
    "poison": (lambda job: leased(job, lost=2), "lease_expired", (0, 1, 0, 1)),
    "of a deleted job, waiting": (deleted_first(live), "job_deleted", (0, 0, 1, 0)),
    "of a deleted job, to be tried again": (
        deleted_first(live, attempt=1, run_at=NOW + HOUR),
        "job_deleted",
        (0, 1, 0, 0),
    ),
    "of a deleted job, lost": (deleted_first(leased), "job_deleted", (0, 1, 0, 1)),
    "of a suspended tenant, lost": (suspended(leased), "lease_expired", (1, 0, 0, 1)),
    "of an unknown target": (lambda job: live(job, target="gone.away"), "unknown_target", (0, 1, 0, 0)),
    "without content": (without_content, "content_missing", (0, 1, 0, 0)),
    "ended before, waiting": (ended_before(live), "already_ended", (0, 1, 0, 0)),
    "ended before, running": (
        ended_before(lambda job: leased(job, over_for=-HOUR)),
        "already_ended",
        (0, 1, 0, 1),
    ),
}


@pytest.mark.parametrize("name", STUCK)
def test_each_is_mended_once_and_a_late_worker_is_not_heard(name: str, acme: Any) -> None:
    make, problem, becomes = STUCK[name]
    job = make_job(acme, target="tests.noop", payload={})
    row = make(job)
    found, wanted = read_totals(acme.pk)
    off = found["tasks_found"] - wanted["tasks_found"]
    before = list(Execution.objects.values())

    dry = run(kinds=[KIND], dry_run=True, reason="")
    assert [(item.drift.problem, item.drift.object_type, item.drift.object_id) for item in dry.items] == [
        (problem, "execution", row.id)
    ]
    assert list(Execution.objects.values()) == before

    done = run(kinds=[KIND], reason="found at 3 am", actor="olga")
    assert [item.result for item in done.items] == ["repaired"]
    entry = AuditEntry.objects.get(action=f"reconcile.{KIND}")
    assert (entry.actor, entry.object_type, entry.object_id) == ("olga", "execution", str(row.id))
    assert (entry.reason, entry.data["problem"]) == ("found at 3 am", problem)
    assert _left(job) == becomes

    if row.state == "leased":
        assert late_word(row).stale == 1
    assert run(kinds=[KIND]).items == ()
    assert _left(job) == becomes
    found, wanted = read_totals(acme.pk)
    twice = problem == "already_ended"  # the history had counted the tick twice
    assert found["tasks_found"] - wanted["tasks_found"] == off + twice, "no tick was made or lost"
    ended = ExecutionLog.objects.filter(id=row.id).first()
    if ended is not None:
        assert (ended.status, bool(ended.error_message)) == ("failed", True)
        assert Delta.objects.get().n == 1


def _left(job: Job) -> tuple[int, int, int, int]:
    models: tuple[Any, ...] = (Execution, ExecutionLog, Skip)
    counts = [model.objects.filter(job_id=job.id).count() for model in models]
    return (counts[0], counts[1], counts[2], Attempt.objects.count())


def test_what_is_taken_back_can_be_claimed_again(acme: Any) -> None:
    row = leased(make_job(acme, target="tests.noop", payload={}))
    run(kinds=[KIND])
    row.refresh_from_db()
    assert (row.state, row.lease_token, row.worker, row.lost, row.attempt) == ("pending", None, None, 1, 1)
    assert Attempt.objects.get().outcome == "lost"


def test_what_waits_or_runs_in_order_is_no_drift(acme: Any, bravo: Any) -> None:
    job, going, theirs = (
        make_job(tenant, target="tests.noop", payload={}, name=name)
        for tenant, name in ((acme, "waits"), (acme, "goes"), (bravo, "sleeps"))
    )
    live(job)  # for an hour: behind a cap, or there is no worker
    leased(job, scheduled_for=NOW, over_for=-HOUR)
    leased(job, scheduled_for=NOW - 2 * HOUR, over_for=timedelta(seconds=5))  # a leader will
    logged(live(job, scheduled_for=NOW - 3 * HOUR, kind="manual"), id=1)
    jobs.job_delete(tenant=acme, job_id=going.id, actor="tests")
    leased(going, over_for=-HOUR)  # runs under a lease finish
    Tenant.objects.filter(pk=bravo.pk).update(status="suspended")
    live(theirs)  # for an hour: until its tenant is resumed
    leased(theirs, scheduled_for=NOW, over_for=-HOUR)
    assert run(kinds=[KIND], dry_run=True).items == ()


def test_a_tenants_run_touches_no_other(acme: Any, bravo: Any) -> None:
    mine, theirs = (leased(make_job(tenant, target="tests.noop", payload={})) for tenant in (acme, bravo))
    done = run(kinds=[KIND], tenant=acme)
    assert [item.drift.object_id for item in done.items] == [mine.id]
    assert Counter(Execution.objects.values_list("tenant_id", "state")) == {
        (acme.pk, "pending"): 1,
        (bravo.pk, "leased"): 1,
    }
    assert run(kinds=[KIND], object_ids=[mine.id]).items == ()
    assert [item.drift.object_id for item in run(kinds=[KIND], object_ids=[theirs.id]).items] == [theirs.id]


def test_a_tenant_that_is_being_deleted_is_not_put_in_order(acme: Any, bravo: Any) -> None:
    for tenant in (acme, bravo):
        leased(make_job(tenant, target="tests.noop", payload={}))
    everything = list(RECONCILERS)
    Cursor.objects.all().delete()
    Tenant.objects.filter(pk=bravo.pk).update(status="deleting")
    found = run(kinds=everything, dry_run=True).items
    assert {item.drift.tenant_id for item in found} == {acme.pk}
    assert {item.drift.kind for item in found} >= {"cursors", KIND}
