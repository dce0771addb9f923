"""Three days without a leader, and nights on which the clock changes, as a fleet finds them when it starts.

The cursors stand where they would: the database's clock cannot be moved, so the absence lies before now. What was due
is worked out by the demo's oracle, which shares no code with the scheduler, and nights by hand as well. While the fleet
catches up its leader is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.jobs.models import Cursor, Job
from apps.jobs.schedules import database_now
from apps.leadership.models import LeaderTerm
from apps.tenants.models import Plan
from tests.chaos.absences import CASES, Case, Outcomes, judge, named
from tests.chaos.fleet import Fleet, Member
from tests.factories import make_job
from tests.replicas import wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("all_tenants")]
ABSENCE = timedelta(days=3)


@pytest.fixture
def fleet(live_db: str, tmp_path: Path) -> Iterator[Fleet]:
    places = [("scheduler-a", "run_scheduler"), ("scheduler-b", "run_scheduler"), ("worker-a", "run_worker")]
    fleet = Fleet(live_db, tmp_path / "fleet.log", [Member(*place) for place in places])
    try:
        yield fleet
    finally:
        fleet.end()
        wait_for(lambda: not fleet.orphans(), "no process is left")


def make_absent(tenant: Any, name: str, case: Case, now: datetime) -> tuple[int, datetime]:
    """The job's id, and from when on nobody looked after it: its cursor stands at the first time after that."""
    begins = case.begins or now - ABSENCE
    job = make_job(
        tenant,
        name=name,
        trigger=case.trigger,
        target="tests.noop",
        payload={},
        misfire=case.misfire,
        misfire_max_runs=case.most,
        misfire_pace_seconds=0,
        overlap="allow",
    )
    anchor = None if case.trigger.interval_seconds is None else begins
    window = {"starts_at": case.begins, "ends_at": case.ends}
    Job.objects.filter(pk=job.pk).update(anchor_at=anchor, schedule_since=begins, **window)
    first = named(case, begins, case.ends or begins + ABSENCE)[0]
    Cursor.objects.filter(job_id=job.pk).update(next_run_at=first)
    return job.pk, begins


def outcomes_of(job_id: int) -> Outcomes:
    runs = ExecutionLog.objects.filter(job_id=job_id).values_list("scheduled_for", flat=True)
    skips = Skip.objects.filter(job_id=job_id).values_list("first", "last", "count", "reason")
    return Outcomes(list(runs), list(skips))


def judged(job_id: int, case: Case, begins: datetime, started: datetime) -> list[str]:
    stands_at = Cursor.objects.get(job_id=job_id).next_run_at
    if (stands_at is None) != (case.ends is not None):
        return [f"the cursor stands at {stands_at}"]
    due = named(case, begins, case.ends or stands_at - timedelta(microseconds=1))
    return judge(case, due, outcomes_of(job_id), started)


@pytest.fixture
def kept(live_db: str, plan: Plan) -> Iterator[None]:
    """Nights of long ago are not deleted as soon as they are caught up on."""
    before = plan.retention_days
    Plan.objects.filter(pk=plan.pk).update(retention_days=0)
    yield
    Plan.objects.filter(pk=plan.pk).update(retention_days=before)


@pytest.mark.usefixtures("kept")
def test_every_time_of_an_absence_is_accounted_for_once(fleet: Fleet, acme: Any, bravo: Any) -> None:
    started = database_now()
    jobs = {
        name: make_absent((acme, bravo)[number % 2], name, case, started)
        for number, (name, case) in enumerate(CASES.items())
    }
    for member in fleet.members:
        fleet.start(member)
    first = wait_for(lambda: LeaderTerm.objects.filter(ended_at=None).first(), "a leader")
    leader = next(member for member in fleet.members if member.name == first.replica)
    fleet.kill(leader)
    wait_for(lambda: LeaderTerm.objects.count() > 1, "the next leader")
    wait_for(
        lambda: not Cursor.objects.filter(next_run_at__lt=database_now()).exists(),
        "what was due is caught up on",
    )
    assert not fleet.stop([member for member in fleet.schedulers if member is not leader], seconds=20)
    wait_for(lambda: not Execution.objects.exists(), "an empty queue")
    wrong = {name: judged(job_id, CASES[name], begins, started) for name, (job_id, begins) in jobs.items()}
    assert not {name: found for name, found in wrong.items() if found}
    assert not ExecutionLog.objects.exclude(status="success").exists()
    assert fleet.deaths == []
