"""Where a job's cursor should stand. Pure: rows in, columns out.

The place is the first nominal time that has no outcome: after the last one that has, and after the schedule last took
effect. Times of it that have passed meanwhile are left to the dispatcher, which applies the job's misfire policy to
them as to any others. A place that the schedule names and that skips nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import Rule
from apps.jobs.schedules import first_after, rule_of
from apps.jobs.states import Switch

_INSTANT = timedelta(microseconds=1)

MISSING = "missing"
UNSCHEDULED = "unscheduled"
OFF_SCHEDULE = "off_schedule"
BEHIND = "behind"
AHEAD = "ahead"
NOT_STOPPED = "not_stopped"
BROKEN = "broken"

SENTENCES = {
    MISSING: "The job has no cursor, so nothing schedules it.",
    UNSCHEDULED: "The job is active and its schedule goes on, but it has no next run.",
    OFF_SCHEDULE: "The next run is at a time that the job's schedule does not name.",
    BEHIND: "The next run is at a time that has an outcome already.",
    AHEAD: "The next run passes over times that have no outcome.",
    NOT_STOPPED: "The job is paused, quarantined or deleted, and has a next run all the same.",
    BROKEN: "The job's schedule cannot be worked out.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The columns of a cursor that say where it stands."""

    next_run_at: datetime | None
    paused_from: datetime | None


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A cursor that stands wrong; `place` is None where nobody can say where it belongs."""

    problem: str
    place: Place | None
    detail: str = ""


def examine(job: Job, cursor: Cursor | None, accounted: datetime | None) -> Misplaced | None:
    """What is wrong with the cursor of `job`, or None; `accounted` is its last tick that has an outcome."""
    if job.deleted_at is not None:
        stopped = cursor is None or cursor.next_run_at is None
        return None if stopped else Misplaced(NOT_STOPPED, Place(None, None))
    last = cursor.last_scheduled_for if cursor is not None else None
    outcome = max(filter(None, (accounted, last)), default=None)
    since = max(filter(None, (outcome, job.created_at, job.schedule_since)))
    held = job.switch == Switch.PAUSED or (cursor is not None and cursor.quarantined_at is not None)
    if held and cursor is not None:
        return _of_held(job, cursor, outcome, since)
    try:
        rule = rule_of(job)
        following = first_after(rule, since)
        if cursor is None:
            return Misplaced(MISSING, Place(None, following) if held else Place(following, None))
        problem = _problem(rule, cursor.next_run_at, following, outcome)
    except ValueError as error:  # ScheduleError is one
        return Misplaced(BROKEN, None, str(error))
    return Misplaced(problem, Place(following, None)) if problem else None


def _of_held(job: Job, cursor: Cursor, outcome: datetime | None, since: datetime) -> Misplaced | None:
    """A paused or quarantined job must not be due; the time from which it was held is kept for its resume."""
    if cursor.next_run_at is None:
        return None
    held_from: datetime | None = cursor.paused_from or cursor.next_run_at
    if outcome is not None and held_from is not None and held_from <= outcome:
        try:
            held_from = first_after(rule_of(job), since)
        except ValueError:
            held_from = None  # a broken rule names no times
    return Misplaced(NOT_STOPPED, Place(None, held_from))


def _problem(
    rule: Rule, next_run_at: datetime | None, following: datetime | None, outcome: datetime | None
) -> str | None:
    if next_run_at is None:
        return UNSCHEDULED if following is not None else None
    if outcome is not None and next_run_at <= outcome:
        return BEHIND
    if first_after(rule, next_run_at - _INSTANT) != next_run_at:
        return OFF_SCHEDULE
    return AHEAD if following is not None and following < next_run_at else None
