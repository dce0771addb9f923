"""Three days without a leader, and nights on which the clock changes, as a fleet finds them when it starts.

The cursors stand where they would: the database's clock cannot be moved, so the absence lies before now. What was due
is worked out by the demo's oracle, which shares no code with the scheduler, and nights by hand as well. While the fleet
catches up its leader is killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.jobs.models import Cursor, Job
from apps.jobs.schedules import database_now
from apps.jobs.specs import TriggerSpec
from apps.leadership.models import LeaderTerm
from apps.tenants.models import Plan
from scheduler_saas.demo.oracle import Definition, due_between
from tests.chaos.fleet import Fleet, Member
from tests.factories import make_job
from tests.replicas import wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("all_tenants")]
ABSENCE = timedelta(days=3)
GRACE = timedelta(seconds=15)  # misfire_grace_seconds


@pytest.fixture
def fleet(live_db: str, tmp_path: Path) -> Iterator[Fleet]:
    places = [("scheduler-a", "run_scheduler"), ("scheduler-b", "run_scheduler"), ("worker-a", "run_worker")]
    fleet = Fleet(live_db, tmp_path / "fleet.log", [Member(*place) for place in places])
    try:
        yield fleet
    finally:
        fleet.end()
        wait_for(lambda: not fleet.orphans(), "no process is left")


@dataclass(frozen=True)
class Case:
    """A job that nobody has looked after since `begins`, or for three days; the schedule ended at `ends`, or goes on.
    `due` is what it names, where that is worked out by hand."""

    trigger: TriggerSpec
    misfire: str
    most: int = 1_000  # misfire_max_runs
    begins: datetime | None = None
    ends: datetime | None = None
    due: tuple[datetime, ...] = ()


def cron(expression: str, zone: str, **how: str) -> TriggerSpec:
    return TriggerSpec(trigger_type="cron", cron_expression=expression, timezone=zone, **how)


def night(
    of: datetime, trigger: TriggerSpec, *due: tuple[int, int, int, int], misfire: str = "fire_all"
) -> Case:
    """The days before and after it, too. `due` as month, day, hour and minute."""
    span = timedelta(days=1, hours=12)
    times = tuple(datetime(of.year, *each, tzinfo=UTC) for each in due)
    return Case(trigger, misfire, 1_000, of - span, of + span, times)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
SPRING, AUTUMN = datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)
SOUTH, WEST = datetime(2025, 4, 6, tzinfo=UTC), datetime(2025, 11, 2, tzinfo=UTC)
CASES = {
    "every minute, the latest": Case(TriggerSpec.every(60), "fire_once"),
    "every hour, all": Case(TriggerSpec.every(3600), "fire_all"),
    "every ten minutes, the latest fifty": Case(cron("*/10 * * * *", "Asia/Kathmandu"), "fire_all", 50),
    "twice an hour, none": Case(cron("7,37 * * * *", "America/St_Johns"), "skip"),
    "nightly, all": Case(cron("30 2 * * *", BERLIN), "fire_all"),
    "at noon, the latest": Case(cron("0 12 * * *", "Pacific/Auckland"), "fire_once"),
    # 02:30 is left out on the 30th: it runs at the first instant after the gap, or not at all.
    "spring": night(SPRING, cron("30 2 * * *", BERLIN), (3, 29, 1, 30), (3, 30, 1, 0), (3, 31, 0, 30)),
    "spring, skipped": night(
        SPRING, cron("30 2 * * *", BERLIN, dst_gap="skip"), (3, 29, 1, 30), (3, 31, 0, 30)
    ),
    "spring, by the clock": night(SPRING, cron("*/15 * * * *", BERLIN)),
    # 02:30 comes twice on the 26th: the first is it, or both are.
    "autumn": night(AUTUMN, cron("30 2 * * *", BERLIN), (10, 25, 0, 30), (10, 26, 0, 30), (10, 27, 1, 30)),
    "autumn, both": night(
        AUTUMN,
        cron("30 2 * * *", BERLIN, dst_overlap="both"),
        *((10, 25, 0, 30), (10, 26, 0, 30), (10, 26, 1, 30), (10, 27, 1, 30)),
    ),
    "autumn, by the clock": night(AUTUMN, cron("*/15 * * * *", BERLIN)),
    "half an hour": night(
        SOUTH, cron("45 1 * * *", "Australia/Lord_Howe"), (4, 4, 14, 45), (4, 5, 14, 45), (4, 6, 15, 15)
    ),
    "autumn, the latest": night(WEST, cron("*/20 1 * * *", NEW_YORK), misfire="fire_once"),
    "autumn, none": night(WEST, cron("0 * * * *", NEW_YORK), misfire="skip"),
}


def named(case: Case, begins: datetime, until: datetime) -> list[datetime]:
    """What the schedule names from `begins` to `until`, by another reading of it than the scheduler's."""
    trigger = case.trigger
    if trigger.interval_seconds is not None:
        definition = Definition(interval_seconds=trigger.interval_seconds, anchor=begins)
    else:
        definition = Definition(cron=trigger.cron_expression, timezone=trigger.timezone)
    found = due_between(definition, begins - timedelta(microseconds=1), until)
    if case.due and trigger.dst_gap == "next_valid" and trigger.dst_overlap == "first":
        assert found == [*case.due]  # the oracle knows these rules as well
    return [*case.due] or found


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


def judge(job_id: int, case: Case, begins: datetime, started: datetime) -> list[str]:
    """Each time once, in the ledger or in a skip for its lateness; and the right ones of them ran."""
    stands_at = Cursor.objects.get(job_id=job_id).next_run_at
    if (stands_at is None) != (case.ends is not None):
        return [f"the cursor stands at {stands_at}"]
    due = named(case, begins, case.ends or stands_at - timedelta(microseconds=1))
    runs = sorted(ExecutionLog.objects.filter(job_id=job_id).values_list("scheduled_for", flat=True))
    outcomes = Counter(runs)
    wrong = []
    for first, last, count, reason in Skip.objects.filter(job_id=job_id).values_list(
        "first", "last", "count", "reason"
    ):
        skipped = [tick for tick in due if first <= tick <= last]
        outcomes.update(skipped)
        if len(skipped) != count or reason != "misfire":
            wrong.append(f"{count} from {first} to {last}, which are {len(skipped)}, skipped for {reason}")
    wrong += [f"{tick}: {outcomes[tick]} outcomes" for tick in due if outcomes[tick] != 1]
    wrong += [f"{tick}: an outcome of no due time" for tick in outcomes.keys() - set(due)]
    on_time = sum(
        tick >= started - GRACE for tick in due
    )  # at most: when it was looked at is not known to the second
    wanted = min({"fire_once": 1, "fire_all": case.most, "skip": 0}[case.misfire], len(due))
    if not wanted <= len(runs) <= wanted + on_time or runs != due[len(due) - len(runs) :]:
        wrong.append(f"{len(runs)} ran, of {len(due)} the latest {wanted} should have")
    return wrong


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
    wrong = {name: judge(job_id, CASES[name], begins, started) for name, (job_id, begins) in jobs.items()}
    assert not {name: found for name, found in wrong.items() if found}
    assert not ExecutionLog.objects.exclude(status="success").exists()
    assert fleet.deaths == []
