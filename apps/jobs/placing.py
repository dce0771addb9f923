"""Moving a cursor by hand: account for what the old schedule left undone, then place it on the new one.

For `jobs.services`, under the cursor's row lock. A cursor never moves back over a time that has an outcome.
"""

from __future__ import annotations

from datetime import datetime

from apps.executions.models import Skip
from apps.executions.states import SkipReason
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import Rule
from apps.jobs.schedules import Missed, database_now, first_after, missed, rule_of
from apps.jobs.states import Switch
from apps.tenants.models import Tenant


def count_ahead(tenant: Tenant, job_id: int) -> Missed | None:
    """What `account` will have to count, counted before the lock is taken."""
    job = Job.objects.filter(tenant=tenant, id=job_id, deleted_at=None).select_related("cursor").first()
    start = _left_at(job.cursor) if job is not None and hasattr(job, "cursor") else None
    if job is None or start is None:
        return None
    try:
        return missed(rule_of(job), start, database_now())
    except ValueError:
        return None


def must_move(job: Job, cursor: Cursor, rule: Rule) -> bool:
    """Whether saving `rule` changes when the job runs, or ends a quarantine."""
    try:
        return cursor.quarantined_at is not None or rule_of(job) != rule
    except ValueError:
        return True


def account(job: Job, cursor: Cursor, *, until: datetime, detail: str, counted: Missed | None) -> None:
    """One skip for the times from the cursor's place to `until`, under the job's schedule as it is still stored."""
    start = _left_at(cursor)
    if start is None or start > until:
        return
    try:
        found = missed(rule_of(job), start, until, counted)
    except ValueError:
        # A rule that cannot be asked names no times; but the one where it stopped is known.
        found = None
    # Where the rule no longer names the time at which the cursor stands, that time was promised all the same.
    first, last, count = start, start, 1
    if found is not None and found.last is not None and found.first is not None:
        first, last, count = found.first, found.last, found.count
    # As the dispatcher does: the last time that has an outcome, whatever the outcome is.
    cursor.last_scheduled_for = last
    paused = job.switch == Switch.PAUSED
    Skip.objects.create(
        tenant_id=job.tenant_id,
        job_id=job.id,
        first=first,
        last=last,
        count=count,
        reason=SkipReason.PAUSED if paused else SkipReason.EDITED,
        detail=detail[:500],
    )


def place(job: Job, cursor: Cursor, rule: Rule, now: datetime) -> None:
    """Put the cursor on the first time of `rule` after `now`, or keep that time for the resume of a paused job.

    The schedule counts from `now` on.

    Raises ScheduleError, ValueError.
    """
    following = first_after(rule, now, cursor.last_scheduled_for)
    job.schedule_since = now
    paused = job.switch == Switch.PAUSED
    cursor.next_run_at = None if paused else following
    cursor.paused_from = following if paused else None
    cursor.quarantined_at = None
    cursor.quarantine_reason = ""


def _left_at(cursor: Cursor) -> datetime | None:
    return cursor.next_run_at or cursor.paused_from
