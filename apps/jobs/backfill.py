"""Running times of a job's past that have no execution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from apps.executions.services import executions_backfill
from apps.executions.ticks import ticks_taken, waiting_backfills
from apps.jobs.announcements import announce
from apps.jobs.editing import WHOLE_JOB, locked
from apps.jobs.fields import reason_text
from apps.jobs.models import Cursor, Job
from apps.jobs.quotas import request_executions
from apps.jobs.recording import state_of
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import next_after, occurrences
from apps.jobs.recurrence.wording import plain_time
from apps.jobs.schedules import database_now, missed, rule_of
from apps.jobs.specs import JobNotFound, JobRefused
from apps.jobs.standing import INSTANT
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant

MAX_SPAN = timedelta(days=31)  # of one range
MAX_RUNS = 1_000  # of a call, and of a job's backfills that are live at once
MAX_TIMES = 50_000  # of the schedule within the range
MAX_PACE = 3_600.0


@dataclass(frozen=True, slots=True)
class Backfill:
    """`found` times of the schedule: `already` had an execution, `missing` had none; `execution_ids` were made."""

    found: int
    missing: int
    execution_ids: list[int]

    @property
    def already(self) -> int:
        return self.found - self.missing


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What was worked out before the lock was taken."""

    rule: Rule
    found: int
    missing: list[datetime]


def job_backfill(
    *,
    tenant: Tenant,
    job_id: int,
    start: datetime,
    until: datetime,
    actor: str,
    reason: str = "",
    pace_seconds: float = 1.0,
    dry_run: bool = False,
) -> Backfill:
    """Run the times of [start, until] that have no execution, `pace_seconds` apart, behind every run of a schedule.

    The times are those of the schedule as it is now, also from before the job was made, and run with the job's content
    as it is now. From where the cursor stands they are the dispatcher's. A second backfill queues up behind one that
    waits. Making nothing announces nothing. Raises JobNotFound, JobRefused,
    QuotaExceeded.
    """
    reason = reason_text(reason)
    _check_form(start, until, pace_seconds)
    with tenant_scope(tenant):
        ahead = _look_ahead(tenant, job_id, start, until)
        if dry_run:
            return Backfill(ahead.found, len(ahead.missing), [])
        with transaction.atomic():
            job, cursor = locked(tenant, job_id, None)
            _check_place(cursor, database_now(), until)
            if _rule_of(job) != ahead.rule:
                ahead = _times(job, start, until)
            # Looked at again: what ran or was backfilled meanwhile. Nobody else can add to it under the lock.
            taken = _taken(job, ahead.missing, among=True)
            times = [time for time in ahead.missing if time not in taken]
            made: list[int] = []
            if times:
                pace = timedelta(seconds=pace_seconds)
                begin = _start(job, len(times), pace)
                request_executions(tenant, len(times))
                made = executions_backfill(job=job, times=times, start=begin, pace=pace)
                announce(
                    job,
                    "job.backfill",
                    actor=actor,
                    reason=reason,
                    event=SchedulerEvent.Type.JOB_SCHEDULED,
                    before=state_of(job),
                    **{"from": start.isoformat(), "to": until.isoformat()},
                    found=ahead.found,
                    enqueued=len(made),
                    pace_seconds=pace_seconds,
                    execution_ids=made,
                )
    return Backfill(ahead.found, len(times), made)


def _check_form(start: datetime, until: datetime, pace_seconds: float) -> None:
    errors = {}
    if start > until:
        errors["from"] = "The range has to begin before it ends."
    elif until - start > MAX_SPAN:
        errors["to"] = f"The range may be {MAX_SPAN.days} days long at most."
    if not 0 <= pace_seconds <= MAX_PACE:
        errors["pace_seconds"] = f"Use a number of seconds from 0 to {MAX_PACE:,.0f}."
    if errors:
        raise JobRefused(errors)


def _look_ahead(tenant: Tenant, job_id: int, start: datetime, until: datetime) -> _Ahead:
    job = Job.objects.filter(tenant=tenant, id=job_id, deleted_at=None).select_related("cursor").first()
    if job is None:
        raise JobNotFound(f"tenant {tenant.schema_name} has no job {job_id}")
    _check_place(getattr(job, "cursor", None), database_now(), until)
    return _times(job, start, until)


def _check_place(cursor: Cursor | None, now: datetime, until: datetime) -> None:
    """A paused job's cursor stands nowhere: what passes until it is resumed is nobody else's."""
    if until > now:
        raise JobRefused({"to": f"This is in the future; it is {plain_time(now)}."})
    due = cursor.next_run_at if cursor is not None else None
    if due is not None and until >= due:
        raise JobRefused(
            {"to": f"From {plain_time(due)} on, the schedule itself is at work; end before that."}
        )


def _times(job: Job, start: datetime, until: datetime) -> _Ahead:
    rule = _rule_of(job)
    times = occurrences(rule, after=start - INSTANT, until=until, limit=MAX_TIMES + 1)
    if len(times) > MAX_TIMES:
        many = missed(rule, start, until).count
        raise JobRefused({"to": f"The schedule names {many:,} times here; choose at most {MAX_TIMES:,}."})
    taken = _taken(job, times)
    missing = [time for time in times if time not in taken]
    if len(missing) > MAX_RUNS:
        raise JobRefused(
            {"to": f"This would make {len(missing):,} runs; choose at most {MAX_RUNS:,} at once."}
        )
    return _Ahead(rule, len(times), missing)


def _rule_of(job: Job) -> Rule:
    """A rule that can be asked for times. Raises JobRefused."""
    try:
        rule = rule_of(job)
        next_after(rule, job.created_at)
        return rule
    except ValueError as error:  # ScheduleError is one
        raise JobRefused({WHOLE_JOB: f"The schedule cannot be worked out: {error}"}) from error


def _taken(job: Job, times: list[datetime], *, among: bool = False) -> set[datetime]:
    if not times:
        return set()
    wanted: Iterable[datetime] = times if among else ()
    return ticks_taken(
        tenant_id=job.tenant_id, job_id=job.id, first=times[0], last=times[-1], among=list(wanted)
    )


def _start(job: Job, number: int, pace: timedelta) -> datetime:
    """When the first of `number` backfills may run: behind those that wait. Raises JobRefused."""
    waiting, last = waiting_backfills(tenant_id=job.tenant_id, job_id=job.id)
    if waiting + number > MAX_RUNS:
        raise JobRefused(
            {
                "to": f"{waiting:,} backfills of this job wait; with {number:,} more there were over {MAX_RUNS:,}."
            }
        )
    now = database_now()
    return now if last is None else max(now, last + pace)
