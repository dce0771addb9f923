"""What shows only between sessions: the wake-up on commit, and changes that meet."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection

from apps.executions.models import Skip
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import JobSpec, TriggerSpec, VersionConflict
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Plan

DEADLINE = 20.0  # seconds; nothing waits that long unless it is broken


def make(tenant: Any, name: str = "report") -> Job:
    spec = JobSpec(name=name, trigger=TriggerSpec.cron("* * * * *"))
    return services.job_create(tenant=tenant, spec=spec, actor="alice")


def outcome_of(deed: Callable[[], Any], outcomes: list[Any]) -> threading.Thread:
    """Run `deed` in a thread, and so in a session, of its own; what it returns or raises goes to `outcomes`."""

    def run() -> None:
        try:
            outcomes.append(deed())
        except Exception as error:
            outcomes.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_until_blocked(url: str, sessions: int) -> None:
    """Until so many sessions wait for a lock. Autocommit: within a transaction the view stands still."""
    deadline = time.monotonic() + DEADLINE
    with psycopg.connect(url, autocommit=True) as observer:
        while time.monotonic() < deadline:
            row = observer.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
            ).fetchone()
            if row is not None and row[0] == sessions:
                return
            threading.Event().wait(0.01)
    raise AssertionError(f"{sessions} sessions never waited")


def test_every_change_tells_the_leader_when_it_commits(live_db: str, acme: Any) -> None:
    with psycopg.connect(live_db, autocommit=True) as listener:
        listener.execute("LISTEN scheduler_jobs")

        def heard() -> int:
            return len(list(listener.notifies(timeout=DEADLINE, stop_after=1)))

        job = make(acme)
        assert heard() == 1
        services.job_update(tenant=acme, job_id=job.id, changes={"priority": 5}, actor="alice")
        assert heard() == 1
        services.job_pause(tenant=acme, job_id=job.id, actor="alice")
        assert heard() == 1
        services.job_resume(tenant=acme, job_id=job.id, actor="alice")
        assert heard() == 1
        services.job_delete(tenant=acme, job_id=job.id, actor="alice")
        assert heard() == 1


def test_of_two_edits_of_one_version_one_is_told_to_read_again(live_db: str, acme: Any) -> None:
    job = make(acme)
    outcomes: list[Any] = []
    with psycopg.connect(live_db, options="-c scheduler.all_tenants=on") as dispatcher:
        dispatcher.execute("SELECT FROM jobs_cursor WHERE job_id = %s FOR UPDATE", [job.id])
        threads = [
            outcome_of(
                lambda name=name: services.job_update(  # type: ignore[misc]
                    tenant=acme, job_id=job.id, changes={"name": name}, actor="alice", expected_version=1
                ),
                outcomes,
            )
            for name in ("one", "two")
        ]
        wait_until_blocked(live_db, 2)
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Job", "VersionConflict"]
    assert any(isinstance(outcome, VersionConflict) and outcome.current == 2 for outcome in outcomes)


def test_an_edit_that_waited_for_a_dispatch_sees_what_it_did(live_db: str, acme: Any) -> None:
    """The tick that was dispatched meanwhile has its execution; the edit must not skip it as well."""
    job = make(acme)
    outcomes: list[Any] = []
    with psycopg.connect(live_db, options="-c scheduler.all_tenants=on") as dispatcher:
        dispatcher.execute(
            "UPDATE jobs_cursor SET next_run_at = next_run_at - interval '1 minute' WHERE job_id = %s",
            [job.id],
        )
        dispatcher.commit()
        row = dispatcher.execute(
            "UPDATE jobs_cursor SET last_scheduled_for = next_run_at, next_run_at = next_run_at + interval '1 minute'"
            " WHERE job_id = %s RETURNING last_scheduled_for",
            [job.id],
        ).fetchone()
        assert row is not None
        dispatched = row[0]
        thread = outcome_of(
            lambda: services.job_update(
                tenant=acme, job_id=job.id, changes={"cron_expression": "0 3 * * *"}, actor="alice"
            ),
            outcomes,
        )
        wait_until_blocked(live_db, 1)
    thread.join(DEADLINE)
    assert isinstance(outcomes[0], Job)
    with tenant_scope(acme):
        cursor = Cursor.objects.get(job_id=job.id)
        # Whatever a slow test let pass is skipped from the time after the dispatched one.
        assert all(skip.first > dispatched for skip in Skip.objects.all())
        assert cursor.last_scheduled_for is not None
        assert cursor.last_scheduled_for >= dispatched
        assert cursor.next_run_at is not None
        assert cursor.next_run_at.hour == 3


def test_two_new_jobs_do_not_both_take_the_last_place(live_db: str, acme: Any, plan: Any) -> None:
    with all_tenants_scope():
        Plan.objects.filter(pk=plan.pk).update(max_jobs=1)
    outcomes: list[Any] = []
    try:
        with psycopg.connect(live_db, options="-c scheduler.all_tenants=on") as holder:
            holder.execute("SELECT FROM tenants_tenant WHERE id = %s FOR NO KEY UPDATE", [acme.pk])
            threads = [
                outcome_of(lambda name=name: make(acme, name), outcomes)  # type: ignore[misc]
                for name in ("one", "two")
            ]
            wait_until_blocked(live_db, 2)
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Job", "JobRefused"]
        with tenant_scope(acme):
            assert Job.objects.count() == 1
    finally:
        with all_tenants_scope():
            Plan.objects.filter(pk=plan.pk).update(max_jobs=plan.max_jobs)
