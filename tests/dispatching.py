"""What tests of the dispatcher share: a leader's session, jobs that stand at a due time, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from apps.executions.models import Execution, Skip
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult
from apps.tenants.context import all_tenants_scope
from tests.leaders import UNHURRIED


@contextmanager
def leading() -> Iterator[tuple[LeaderSession, datetime]]:
    """A leader's session and its clock; the test's own queries see all tenants."""
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    ((now,),) = session.read("SELECT clock_timestamp()")
    try:
        with all_tenants_scope():
            yield session, now
    finally:
        session.close(reason="test over")


def stand(tenant: Any, due: datetime, *, lane: int = 1, **fields: Any) -> Job:
    """A job whose cursor stands at `due`, however long ago that is; hourly unless `fields` say otherwise."""
    hourly = {"trigger_type": "interval", "interval_seconds": 3600, "anchor_at": due}
    columns = {**hourly, "name": "a job", "target": "tests.noop", "task_type": "noop", **fields}
    job = Job.objects.create(tenant=tenant, **columns)
    Cursor.objects.create(job=job, tenant=tenant, next_run_at=due, lane=lane)
    return job


def settle(dispatcher: Dispatcher, session: LeaderSession) -> list[StepResult]:
    """Step until nothing is left that is due."""
    results = [dispatcher.run_once(session)]
    while results[-1].again:
        assert len(results) < 50
        results.append(dispatcher.run_once(session))
    return results


def ticks_of(job: Job) -> list[datetime]:
    rows = Execution.objects.filter(job_id=job.pk).order_by("scheduled_for")
    return list(rows.values_list("scheduled_for", flat=True))


def skips_of(job: Job) -> list[tuple[datetime, datetime, int, str]]:
    rows = Skip.objects.filter(job_id=job.pk).order_by("first")
    return list(rows.values_list("first", "last", "count", "reason"))
