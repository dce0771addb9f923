"""Repair of cursors: every kind of drift is found and put right, once, with a reason and a record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions.models import Execution, Skip
from apps.jobs import services as jobs
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from apps.tenants.services import Refused
from tests.drift import MINUTE, START, minutely, run, stands, with_columns
from tests.factories import make_job
from tests.leaders import UNHURRIED


@pytest.fixture
def everyone() -> Iterator[None]:
    """The view of all tenants, for the test's own queries."""
    with all_tenants_scope():
        yield


# What each test below starts from: a cursor that drifted, and where repair puts it. Times are minutes from now.
DRIFTS: dict[str, tuple[Callable[[Any], Job], str, tuple[int | None, int | None]]] = {
    "no cursor": (lambda tenant: minutely(tenant, made=5 * MINUTE, cursor=False), "missing", (-4, None)),
    "no next run": (
        lambda tenant: minutely(tenant, next_run_at=None, last_scheduled_for=START - 3 * MINUTE),
        "unscheduled",
        (-2, None),
    ),
    "never ran and no next run": (
        lambda tenant: minutely(tenant, made=2 * MINUTE, next_run_at=None),
        "unscheduled",
        (-1, None),
    ),
    "a time the schedule does not name": (
        lambda tenant: minutely(
            tenant,
            next_run_at=START + 5 * MINUTE + timedelta(seconds=7),
            last_scheduled_for=START,
        ),
        "off_schedule",
        (1, None),
    ),
    "a time that has run": (
        lambda tenant: minutely(tenant, next_run_at=START - 9 * MINUTE, last_scheduled_for=START - MINUTE),
        "behind",
        (0, None),
    ),
    "times passed over": (
        lambda tenant: minutely(tenant, next_run_at=START + 600 * MINUTE, last_scheduled_for=START),
        "ahead",
        (1, None),
    ),
    "paused but due": (
        lambda tenant: with_columns(
            minutely(tenant, next_run_at=START + MINUTE, last_scheduled_for=START),
            switch="paused",
        ),
        "not_stopped",
        (None, 1),
    ),
    "quarantined but due": (
        lambda tenant: minutely(
            tenant,
            next_run_at=START + MINUTE,
            last_scheduled_for=START,
            quarantined_at=START,
        ),
        "not_stopped",
        (None, 1),
    ),
    "deleted but due": (
        lambda tenant: with_columns(minutely(tenant, next_run_at=START), deleted_at=START),
        "not_stopped",
        (None, None),
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", DRIFTS)
def test_each_drift_is_found_left_alone_by_a_dry_run_and_repaired_once(
    name: str, acme: Any, everyone: None
) -> None:
    make, problem, (next_run, held_from) = DRIFTS[name]
    job, start = make(acme), START
    wanted = tuple(None if n is None else start + n * MINUTE for n in (next_run, held_from))
    before = list(Cursor.objects.filter(job=job).values())

    dry = run(dry_run=True, reason="")
    assert [(item.drift.object_id, item.drift.problem, item.result) for item in dry.items] == [
        (job.id, problem, "found")
    ]
    assert list(Cursor.objects.filter(job=job).values()) == before
    assert not AuditEntry.objects.filter(action__startswith="reconcile").exists()

    done = run(reason="found at 3 am", actor="olga")
    assert done.counts | {"created": 0, "repaired": 0} == {
        "found": 1, "created": 0, "repaired": 0, "skipped": 0, "failures": 0
    }  # fmt: skip
    assert done.items[0].result == ("created" if problem == "missing" else "repaired")
    assert stands(job) == wanted
    entry = AuditEntry.objects.get(action="reconcile.cursors")
    assert (entry.tenant_id, entry.object_id, entry.actor) == (acme.pk, str(job.id), "olga")
    assert (entry.reason, entry.data["problem"]) == ("found at 3 am", problem)

    assert run().items == ()
    assert stands(job) == wanted
    runs = AuditEntry.objects.filter(action="reconcile.run").order_by("id")
    assert [entry.data["found"] for entry in runs] == [1, 0]


@pytest.mark.django_db
def test_what_services_make_is_no_drift(acme: Any, everyone: None) -> None:
    active, paused, edited, resumed, gone = (make_job(acme, name=name) for name in "apers")
    jobs.job_pause(tenant=acme, job_id=paused.id, actor="tests")
    jobs.job_update(tenant=acme, job_id=edited.id, changes={"cron_expression": "17 3 * * *"}, actor="tests")
    jobs.job_pause(tenant=acme, job_id=resumed.id, actor="tests")
    jobs.job_resume(tenant=acme, job_id=resumed.id, actor="tests")
    jobs.job_delete(tenant=acme, job_id=gone.id, actor="tests")
    assert Cursor.objects.filter(job=active).exclude(next_run_at=None).exists()
    assert run(dry_run=True).items == ()


@pytest.mark.django_db
def test_an_edited_schedule_counts_from_the_edit(acme: Any, everyone: None) -> None:
    """Times of the new one that lie before that were never asked for."""
    job = make_job(acme)
    with_columns(job, created_at=START - timedelta(days=3))
    jobs.job_update(tenant=acme, job_id=job.id, changes={"cron_expression": "*/2 * * * *"}, actor="tests")
    expected = Cursor.objects.get(job=job).next_run_at
    Cursor.objects.filter(job=job).update(next_run_at=None, last_scheduled_for=START - timedelta(days=2))
    run()
    assert stands(job) == (expected, None)


@pytest.mark.django_db
def test_no_repair_goes_back_over_an_outcome(acme: Any, everyone: None) -> None:
    """The ledger counts, not only the cursor's own memory: this one forgot, the skips and live runs did not."""
    job, start = minutely(acme, next_run_at=None), START
    Skip.objects.create(
        tenant=acme,
        job_id=job.id,
        first=start - 9 * MINUTE,
        last=start - 5 * MINUTE,
        count=5,
        reason="overlap",
    )
    run()
    assert stands(job) == (start - 4 * MINUTE, None)
    _live(acme, job, start + 2 * MINUTE)
    assert [item.drift.problem for item in run().items] == ["behind"]
    assert stands(job) == (start + 3 * MINUTE, None)
    Cursor.objects.filter(job=job).update(next_run_at=start - 7 * MINUTE)
    run()
    assert stands(job) == (start + 3 * MINUTE, None)


def _live(tenant: Any, job: Job, tick: datetime) -> None:
    Execution.objects.create(
        tenant=tenant,
        job_id=job.id,
        job_name=job.name,
        kind="scheduled",
        scheduled_for=tick,
        run_at=tick,
        task_type=job.task_type,
        target=job.target,
        content_version=1,
        timeout_seconds=1,
        max_attempts=1,
        retry_delay_seconds=1,
        retry_max_delay_seconds=1,
    )


@pytest.mark.django_db
def test_finished_and_manual_jobs_need_no_next_run(acme: Any, everyone: None) -> None:
    at = START - 5 * MINUTE
    for trigger, columns, last in (("manual", {}, None), ("date", {"run_date": at}, at)):
        job = Job.objects.create(
            tenant=acme,
            name=trigger,
            target="tests.noop",
            task_type="tests.noop",
            trigger_type=trigger,
            created_at=at - MINUTE,
            schedule_since=at - MINUTE,
            **columns,
        )
        Cursor.objects.create(job=job, tenant=acme, last_scheduled_for=last)
    assert run(dry_run=True).items == ()
    Cursor.objects.filter(job=job).update(last_scheduled_for=None)
    assert [item.drift.problem for item in run().items] == ["unscheduled"]
    assert stands(job) == (at, None)


@pytest.mark.django_db
def test_a_broken_schedule_fails_alone_and_says_why(acme: Any, bravo: Any, everyone: None) -> None:
    broken = with_columns(minutely(acme, next_run_at=None), cron_expression="61 * * * *")
    other = minutely(bravo, made=MINUTE, next_run_at=None)
    report = run()
    assert {item.drift.object_id: item.result for item in report.items} == {
        broken.id: "failed",
        other.id: "repaired",
    }
    assert report.failures == 1
    assert report.items[0].detail.startswith("The job's schedule cannot be worked out.")
    assert stands(broken) == (None, None)


@pytest.mark.django_db
def test_a_tenants_run_and_selected_jobs_touch_no_others(acme: Any, bravo: Any, everyone: None) -> None:
    mine, also, theirs = (minutely(tenant, next_run_at=None) for tenant in (acme, acme, bravo))
    assert [item.drift.object_id for item in run(tenant=acme, object_ids=[also.id, theirs.id]).items] == [
        also.id
    ]
    assert [item.drift.object_id for item in run(tenant=acme).items] == [mine.id]
    assert stands(theirs) == (None, None)
    assert not AuditEntry.objects.filter(tenant=bravo, action__startswith="reconcile").exists()


@pytest.mark.django_db
def test_a_real_run_needs_a_reason(acme: Any) -> None:
    with pytest.raises(Refused, match="reason"):
        run(tenant=acme, reason=" ")
    with pytest.raises(Refused, match="500"):
        run(tenant=acme, reason="x" * 501)
    with pytest.raises(Refused, match="nothing that can be reconciled"):
        run(tenant=acme, kinds=["weather"])


def test_what_passed_meanwhile_is_dispatched_by_the_jobs_policy(
    live_db: str, acme: Any, everyone: None
) -> None:
    """Six minutes were lost: after repair the dispatcher accounts for every one of them, and for none twice."""
    start = START
    job = minutely(acme, next_run_at=None, last_scheduled_for=start - 7 * MINUTE)
    run()
    with_leader(lambda session: Dispatcher().run_once(session))
    (skip,) = Skip.objects.filter(job_id=job.id)
    (fired,) = Execution.objects.filter(job_id=job.id)
    assert (skip.reason, skip.first) == ("misfire", start - 6 * MINUTE)
    assert fired.scheduled_for == skip.last + MINUTE
    assert skip.count == (fired.scheduled_for - skip.first) // MINUTE
    assert stands(job)[0] == fired.scheduled_for + MINUTE


def with_leader(deed: Callable[[LeaderSession], Any]) -> None:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    try:
        deed(session)
    finally:
        session.close(reason="test over")


@contextmanager
def held_row(table: str, column: str, job: Job) -> Iterator[Callable[[], int]]:
    """Another session holds the row. Yields a count of the sessions that wait for a lock."""
    with (
        machine.connect(application_name="holder") as holder,
        machine.connect(application_name="watcher") as watcher,
    ):

        def waiting() -> int:
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            assert row is not None
            return int(row[0])

        with holder.transaction():
            holder.execute(f"SELECT 1 FROM {table} WHERE {column} = %s FOR UPDATE", [job.id])
            yield waiting


@pytest.mark.parametrize("missing", [False, True])
def test_two_at_once_repair_once(missing: bool, live_db: str, acme: Any, everyone: None) -> None:
    job = minutely(acme, cursor=not missing) if missing else minutely(acme, next_run_at=None)
    reports: list[Any] = []

    def one() -> None:
        try:
            reports.append(run(tenant=acme))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    row = ("jobs_job", "id") if missing else ("jobs_cursor", "job_id")
    with held_row(*row, job) as waiting:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while waiting() < 2:
            assert time.monotonic() < deadline, "both have found the drift and wait for the row"
            time.sleep(0.01)
    for thread in threads:
        thread.join(20)
    assert sorted(report.items[0].result.value for report in reports) == sorted(
        ["skipped", "created" if missing else "repaired"]
    )
    assert AuditEntry.objects.filter(action="reconcile.cursors").count() == 1
    assert AuditEntry.objects.filter(action="reconcile.run").count() == 2
    assert Cursor.objects.filter(job=job).count() == 1


@pytest.mark.django_db
def test_a_request_repairs_so_many_and_says_that_there_are_more(acme: Any, everyone: None) -> None:
    for _ in range(3):
        minutely(acme, cursor=False)
    first = run(limit=2)
    assert (first.counts["created"], first.payload["has_more"]) == (2, True)
    second = run(limit=2)
    assert (second.counts["created"], second.payload["has_more"]) == (1, False)
