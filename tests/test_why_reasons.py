"""The sentences of "why didn't it run?": each reason there is, told as the API and the admin tell it."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.jobs import services
from apps.jobs.calendars.services import calendar_create
from apps.jobs.fates import entries
from apps.jobs.jitter import fraction
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import CronRule, Rule, within
from apps.jobs.recurrence.times import occurrences
from apps.jobs.recurrence.wording import plain_time
from apps.jobs.specs import TriggerSpec
from apps.jobs.standing import Fate, Standing
from apps.leadership.absences import absences
from apps.leadership.models import LeaderTerm
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Plan
from tests.contract.client import MemberClient
from tests.factories import make_job

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86_400))
HOURLY = TriggerSpec.cron("0 * * * *")


def hour_now() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def aged(tenant: Any, *, trigger: TriggerSpec = HOURLY, days: float = 10, **fields: Any) -> Job:
    """A job that was made `days` ago and is due in the next hour."""
    job: Job = make_job(tenant, trigger=trigger, **fields)
    with tenant_scope(tenant):
        made = hour_now() - days * DAY
        Job.objects.filter(pk=job.pk).update(created_at=made, schedule_since=made)
    return job


def skipped(tenant: Any, job: Job, first: datetime, last: datetime, reason: str, detail: str = "") -> None:
    count = int((last - first) / HOUR) + 1
    with tenant_scope(tenant):
        Skip.objects.create(
            tenant=tenant, job_id=job.pk, first=first, last=last, count=count, reason=reason, detail=detail
        )


def term(start: datetime, heartbeat: datetime, end: datetime | None) -> None:
    LeaderTerm.objects.create(
        term_id=uuid.uuid4(), replica="r", host="h", process_id=1, backend_pid=1,
        started_at=start, heartbeat_at=heartbeat, ended_at=end,
    )  # fmt: skip


def waiting(tenant: Any, job: Job, at: datetime, **columns: Any) -> Execution:
    values: dict[str, Any] = {
        "kind": "scheduled", "scheduled_for": at, "run_at": at, "rank": 5, "content_version": 1,
        "timeout_seconds": 60, "max_attempts": 1, "retry_delay_seconds": 1, "retry_max_delay_seconds": 1,
    }  # fmt: skip
    with tenant_scope(tenant):
        return Execution.objects.create(
            tenant=tenant, job_id=job.pk, job_name=job.name, task_type=job.task_type, target=job.target,
            **(values | columns),
        )  # fmt: skip


def running(tenant: Any, job: Job, at: datetime) -> Execution:
    lease = {"state": "leased", "lease_token": uuid.uuid4(), "leased_at": at, "worker": "w", "attempt": 1}
    return waiting(tenant, job, at, rank=1, **lease)


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


def told(alice: MemberClient, job: Job, at: datetime) -> str:
    (entry,) = alice.ok(f"jobs/{job.pk}/why", at=at.isoformat())["times"]
    return str(entry["sentence"])


# -- nobody led -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_absences_are_what_terms_leave_open_by_their_last_signs_of_life() -> None:
    now = datetime.now(UTC)
    start = now - 10 * DAY
    term(start, start + DAY, start + DAY)
    term(
        start + DAY + SECOND, start + 2 * DAY, start + 4 * DAY
    )  # died; its successor closed it two days later
    term(start + 4 * DAY, start + 5 * DAY, None)  # died, and nobody closed it
    found = sorted(absences(start - 30 * DAY, now + DAY))
    assert [(each.start, each.until) for each in found] == [
        (
            start + 2 * DAY,
            start + 4 * DAY,
        ),  # a second between two terms is a handover, and before them nobody knows
        (start + 5 * DAY, None),
    ]
    assert absences(start, start + DAY) == []
    LeaderTerm.objects.filter(ended_at=None).update(ended_at=start + 6 * DAY)  # its successor does
    term(start + 6 * DAY, now, None)
    assert [each.until for each in sorted(absences(start + 4 * DAY, now))] == [start + 6 * DAY]
    assert absences(now + HOUR, now + DAY) == []


@pytest.mark.django_db
def test_without_terms_nothing_is_claimed() -> None:
    assert absences(datetime.now(UTC) - 9 * DAY, datetime.now(UTC)) == []


@pytest.mark.django_db
def test_three_days_of_absence_are_told_of_what_was_missed(acme: Any, alice: MemberClient) -> None:
    job, now = aged(acme), hour_now()
    gone, back = now - 4 * DAY + MINUTE, now - DAY + MINUTE
    term(now - 9 * DAY, gone, gone)
    term(back, datetime.now(UTC), None)
    skipped(acme, job, now - 4 * DAY + HOUR, now - DAY - HOUR, "misfire")
    absence = f"No leader was at work from {plain_time(gone)} to {plain_time(back)}."
    assert absence in told(alice, job, now - 2 * DAY)
    whole = alice.ok(
        f"jobs/{job.pk}/why",
        **{"from": (now - 4 * DAY + HOUR).isoformat(), "to": (now - DAY - HOUR).isoformat()},
    )["times"]
    assert [(time["count"], absence in time["sentence"]) for time in whole] == [(71, True)]


@pytest.mark.django_db
def test_what_is_due_while_nobody_leads_says_since_when(acme: Any, alice: MemberClient) -> None:
    job, now = aged(acme), hour_now()
    term(now - 9 * DAY, now - 3 * HOUR, None)
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(next_run_at=now - 2 * HOUR)
    sentence = told(alice, job, now - 2 * HOUR)
    assert sentence.startswith("Due, and not dispatched yet. There is no leader")
    assert f"No leader was at work since {plain_time(now - 3 * HOUR)}" in sentence


# -- what the plan, the calendar and the policies did -----------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("reason", "detail", "sentence"),
    [
        (
            "quota",
            "The plan allows 1,000 runs a day; they were used up at 14:03 UTC.",
            "Skipped: the plan's quota was used up. The plan allows 1,000 runs a day; they were used up at 14:03 UTC.",
        ),
        (
            "window",
            "Calendar “Holidays”: Christmas.",
            "Skipped: it lay in a blackout, in which the job does not run. Calendar “Holidays”: Christmas.",
        ),
        ("overlap", "", "Skipped: an earlier run of the job was still going on."),
        ("paused", "The tenant is suspended.", "Skipped: the tenant was suspended."),
        ("paused", "over the winter", "Skipped: the job was paused. over the winter."),
        ("cool_off", "", "Skipped: the job had failed too often in a row and was left alone for a while."),
        ("edited", "", "Not run: the job was changed before this was dispatched."),
    ],
)
def test_every_reason_of_a_skip_has_a_sentence(
    acme: Any, alice: MemberClient, reason: str, detail: str, sentence: str
) -> None:
    job, at = aged(acme), hour_now() - 5 * HOUR
    skipped(acme, job, at, at, reason, detail)
    assert told(alice, job, at) == sentence


@pytest.mark.django_db
def test_a_blackout_to_come_is_told_before_it_happens(acme: Any, alice: MemberClient) -> None:
    now = hour_now()
    day = (now + 3 * DAY).date()
    blackout = {"from": day.isoformat(), "to": (day + DAY).isoformat(), "reason": "Stocktaking"}
    calendar = calendar_create(tenant=acme, name="Holidays", blackouts=[blackout], actor="tests")
    job = aged(acme, calendar_id=calendar.pk)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert told(alice, job, noon) == (
        "To come, but in a blackout, so it will be skipped. Calendar “Holidays”: Stocktaking."
    )
    assert told(alice, job, noon + DAY) == "To come."
    (days,) = alice.ok(f"jobs/{job.pk}/why", **{"from": noon.isoformat(), "to": (noon + DAY).isoformat()})[
        "times"
    ]
    assert "but for those in a blackout" in days["sentence"]


@pytest.mark.django_db
def test_jitter_says_when_it_starts(acme: Any, alice: MemberClient) -> None:
    job, at = aged(acme, jitter_seconds=600), hour_now() + 5 * HOUR
    starts = at + timedelta(seconds=600 * fraction(job.pk))
    assert told(alice, job, at) == f"To come; with its jitter it starts at {plain_time(starts)}."


@pytest.mark.django_db
def test_outside_its_window_a_time_is_none_and_the_window_says_why(acme: Any, alice: MemberClient) -> None:
    now = hour_now()
    job = aged(acme)
    with tenant_scope(acme):
        Job.objects.filter(pk=job.pk).update(starts_at=now - 2 * DAY, ends_at=now - DAY)
    assert f"which begins at {plain_time(now - 2 * DAY)}" in told(alice, job, now - 3 * DAY)
    assert f"which ended at {plain_time(now - DAY)}" in told(alice, job, now - HOUR)
    between = told(alice, job, now - HOUR + MINUTE)
    assert "which ended" not in between
    assert between.endswith(f"The nearest is {plain_time(now - DAY)} before it.")


@pytest.mark.django_db
def test_a_manual_job_has_no_times(acme: Any, alice: MemberClient) -> None:
    job = make_job(acme, trigger=TriggerSpec.manual())
    assert told(alice, job, hour_now()) == "The job has no schedule: it runs when somebody asks for it."


@pytest.mark.django_db
def test_a_deleted_job_answers(acme: Any, alice: MemberClient) -> None:
    job, now = aged(acme), hour_now()
    skipped(acme, job, now - 3 * HOUR, now - 3 * HOUR, "overlap")
    services.job_delete(tenant=acme, job_id=job.pk, actor="tests")
    assert "earlier run" in told(alice, job, now - 3 * HOUR)
    assert "The job was deleted at" in told(alice, job, now + 3 * HOUR)


# -- what waits -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_a_run_waits_for(acme: Any, alice: MemberClient, plan: Any) -> None:
    now, other = hour_now(), make_job(acme)
    job = aged(acme)
    run = waiting(acme, job, now, priority=1)
    assert told(alice, job, now) == "Its run waits: for a worker."
    waiting(acme, other, now, rank=4)
    waiting(acme, other, now - HOUR, rank=5, priority=2)
    waiting(acme, other, now - 5 * HOUR, rank=5, priority=3)
    waiting(acme, other, now - 2 * HOUR, rank=5)
    waiting(acme, other, now - 3 * HOUR, rank=None)
    assert told(alice, job, now) == "Its run waits: for a worker; 3 of the tenant's runs come before it."

    running(acme, other, now - 4 * HOUR)
    with all_tenants_scope():
        Plan.objects.filter(pk=plan.pk).update(max_concurrency=1)
    assert (
        told(alice, job, now) == "Its run waits: 1 of the 1 runs that the plan allows at once are under way."
    )

    running(acme, job, now - HOUR)
    with tenant_scope(acme):
        Execution.objects.filter(pk=run.pk).update(max_concurrency=1)
    assert told(alice, job, now) == (
        f"Its run waits: the job runs one at a time, and its run of {plain_time(now - HOUR)} is under way."
    )
    with tenant_scope(acme):
        Execution.objects.filter(pk=run.pk).update(run_at=now + DAY, attempt=2, rank=None)
    assert told(alice, job, now) == (
        f"Its run waits for its time again, after 2 attempts: it starts from {plain_time(now + DAY)} on."
    )


@pytest.mark.django_db
def test_another_tenants_queue_is_not_told(acme: Any, bravo: Any, alice: MemberClient) -> None:
    job, theirs = aged(acme), make_job(bravo)
    waiting(acme, job, hour_now())
    waiting(bravo, theirs, hour_now(), rank=1)
    assert told(alice, job, hour_now()) == "Its run waits: for a worker."


@pytest.mark.django_db
def test_a_run_that_was_taken_back_before_it_started_did_not_run(acme: Any, alice: MemberClient) -> None:
    job, at = aged(acme), hour_now() - HOUR
    with tenant_scope(acme):
        ExecutionLog.objects.create(
            id=77, tenant=acme, job_id=job.pk, job_name=job.name, kind="scheduled", scheduled_for=at, run_at=at,
            task_type=job.task_type, target=job.target, status="failed", attempts=0, finished_at=at, created_at=at,
            error_message="Replaced by the next run.",
        )  # fmt: skip
    assert told(alice, job, at) == "Dispatched, but it did not start: Replaced by the next run."


# -- any range --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("trigger", [TriggerSpec.cron("* * * * *", "Europe/Berlin"), TriggerSpec.every(1)])
def test_a_years_pause_is_one_entry_whether_it_lasts_or_is_over(
    acme: Any, alice: MemberClient, trigger: TriggerSpec
) -> None:
    now = hour_now()
    job = aged(acme, trigger=trigger, days=400)
    with tenant_scope(acme):
        Job.objects.filter(pk=job.pk).update(anchor_at=now - 400 * DAY) if trigger.interval_seconds else None
    services.job_pause(tenant=acme, job_id=job.pk, actor="tests", reason="a year off")
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(paused_from=now - 365 * DAY)
    step = 1 if trigger.interval_seconds else 60
    asked = {"from": (now - 365 * DAY).isoformat(), "to": now.isoformat()}
    began = time.perf_counter()
    (during,) = alice.ok(f"jobs/{job.pk}/why", **asked)["times"]
    assert (during["outcome"], during["count"]) == ("paused", 365 * 86_400 // step + 1)
    services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    (after,) = alice.ok(f"jobs/{job.pk}/why", **asked)["times"]
    assert (after["outcome"], after["count"]) == ("skipped", during["count"])
    assert time.perf_counter() - began < 3
    with tenant_scope(acme):
        assert Skip.objects.filter(job_id=job.pk).count() == 1


@pytest.mark.parametrize("seed", range(25))
def test_every_time_of_a_random_history_is_accounted_for_exactly_once(seed: int) -> None:
    dice = random.Random(seed)
    rule: Rule = dice.choice(
        [
            CronRule("*/10 * * * *", "UTC"),
            CronRule("30 1,2 * * *", "America/New_York"),
            CronRule("7 * * * 1-5", "UTC"),
        ]
    )
    start = datetime(2026, 10, 25, tzinfo=UTC) + dice.randrange(20) * HOUR
    if dice.random() < 0.5:
        rule = within(rule, start + DAY, start + 20 * DAY)  # type: ignore[arg-type]
    times = occurrences(rule, after=start, limit=600)
    place = dice.randrange(len(times))
    runs, skips, index = [], [], 0
    while index < place:
        kind, many = (
            dice.choice(["run", "skip", "nothing", "made up"]),
            min(dice.randrange(1, 9), place - index),
        )
        span = times[index : index + many]
        if kind == "run":
            runs += [_ended(at, "scheduled") for at in span]
        if kind in ("skip", "made up"):
            skips.append(Skip(first=span[0], last=span[-1], count=many, reason="misfire", detail=""))
        if kind == "made up":
            runs += [_ended(at, "backfill") for at in dice.sample(span, dice.randrange(many + 1))]
        index += many
    stands = Standing(
        rule,
        now=times[min(place + dice.randrange(5), len(times) - 1)],
        created_at=start + dice.randrange(9) * HOUR,
        since=start + dice.randrange(30) * HOUR,
        next_run_at=None if dice.random() < 0.3 else times[place],
        paused_from=times[place],
        accounted=times[place - 1] if place else None,
        held=dice.choice([None, Fate.PAUSED, Fate.QUARANTINED]),
        deleted_at=dice.choice([None, None, times[place]]),
    )
    for _ in range(10):
        low, high = sorted(dice.choices(times, k=2))
        shift = dice.choice([timedelta(0), SECOND])
        inside = [at for at in times if low + shift <= at <= high]
        found = entries(
            stands,
            [run for run in runs if low + shift <= run.scheduled_for <= high],
            [skip for skip in skips if skip.first <= high and skip.last >= low + shift],
            low + shift,
            high,
        )
        assert sum(entry.count or 0 for entry in found) == len(inside), found
        ran = [entry.first for entry in found if entry.run is not None]
        assert len(ran) == len(set(ran))
        for entry in found:
            if entry.run is None:  # its own times are those between its ends that nothing else tells of
                assert {entry.first, entry.last} <= set(inside)
        for at in inside[:: max(1, len(inside) // 7)]:
            assert _told_once(stands, runs, skips, at)


def _told_once(stands: Standing, runs: list[ExecutionLog], skips: list[Skip], at: datetime) -> bool:
    found = entries(
        stands,
        [run for run in runs if run.scheduled_for == at],
        [skip for skip in skips if skip.first <= at <= skip.last],
        at,
        at,
    )
    return [entry.count for entry in found] == [1]


def _ended(at: datetime, kind: str) -> ExecutionLog:
    return ExecutionLog(
        id=int(at.timestamp()), scheduled_for=at, kind=kind, status="success", attempts=1, finished_at=at
    )
