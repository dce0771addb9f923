"""An execution that takes its worker down with it, with real workers: it is found out, and its neighbours are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.executions.ledger import LOST_TOO_OFTEN
from apps.executions.models import Attempt, Execution, ExecutionLog
from apps.executions.reaper import Reaper
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.session import LeaderSession
from tests.leaders import UNHURRIED
from tests.replicas import wait_for
from tests.workers import Session, execution, put

pytestmark = pytest.mark.usefixtures("all_tenants")


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def reaped(leader: LeaderSession, n: int) -> None:
    """Until so many leases have been taken back."""
    reaper, count = Reaper(), 0

    def all_of_them() -> bool:
        nonlocal count
        count += reaper.run_once(leader).counts["reaped"]
        return count >= n

    wait_for(all_of_them, f"{n} leases to run out")
    assert count == n


def test_it_is_failed_after_three_workers_and_its_neighbours_answer_for_themselves(
    leader: LeaderSession, session: Session, acme: Any, start: Any
) -> None:
    job = Job.objects.create(
        tenant=acme, name="killer", trigger_type="manual", target="tests.kill_worker", task_type="report"
    )
    Cursor.objects.create(job=job, tenant=acme)
    (killer,) = put(session, acme, execution(acme, "tests.kill_worker", job_id=job.pk, max_attempts=1))
    neighbour = None
    for losses in (1, 2, 3):
        if losses == 2:  # it runs beside the killer once, and goes down with that worker
            (neighbour,) = put(session, acme, execution(acme, "tests.wait"), params={"seconds": 0.5})
        worker = start(f"victim-{losses}", LEASE_SECONDS="1", LEASE_HEARTBEAT="0.2")
        assert worker.wait() == -9, worker.said()
        reaped(leader, 2 if losses == 2 else 1)
        if losses == 2:
            assert neighbour is not None
            held = dict(Execution.objects.values_list("pk", "lost"))
            assert held == {killer: 2, neighbour: 1}, "leases are lost together, each counts its own"
            # What waits behind the killer need not share its end: it is taken by another.
            Execution.objects.filter(pk=killer).update(rank=None, run_at="2999-01-01T00:00:00Z")
            heir = start("heir", "--drain")
            assert heir.wait() == 0, heir.said()
            Execution.objects.filter(pk=killer).update(run_at="2020-01-01T00:00:00Z")

    log = ExecutionLog.objects.get(pk=killer)
    assert (log.status, log.error_message, log.attempts) == ("failed", LOST_TOO_OFTEN, 3)
    assert log.worker == "victim-3"
    earlier = Attempt.objects.filter(execution_id=killer, attempt__lt=3).order_by("attempt")
    assert list(earlier.values_list("outcome", "worker")) == [("lost", "victim-1"), ("lost", "victim-2")]
    beside = ExecutionLog.objects.get(pk=neighbour)
    assert (beside.status, beside.worker, beside.attempts) == ("success", "heir", 2)

    # It is handed out no more, and its job has failed.
    last = start("last", "--drain")
    assert last.wait() == 0, last.said()
    assert not Execution.objects.exists()
    OutcomeFold().run_once(leader)
    cursor = Cursor.objects.get(job=job)
    assert (cursor.consecutive_failures, cursor.failure_reason) == (1, LOST_TOO_OFTEN)
