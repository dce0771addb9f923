"""From groups of due jobs to their plans. No database in here.

A part is a group, or some jobs of one, with the plan that they share. It is split where its jobs are treated
differently after all: a quota that ends among them, a row that the database refuses.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime

from apps.executions.states import SkipReason
from apps.jobs.calendars.entries import blackouts_of, reaching
from apps.jobs.overlaps import Asks, asks_of, is_cooling
from apps.jobs.planning import Barred, Blackout, Plan, Policy, plan_ticks
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.rows import Due, DueGroup
from apps.jobs.schedules import rule_of

logger = logging.getLogger(__name__)

# A step plans for so long and inserts so many executions at most. The session must not look hung, nor the heartbeat
# stop, because a thousand jobs have missed a month; the next step goes on at once.
PLANNING_SECONDS = 0.5
MAX_EXECUTIONS = 10_000
SUSPENDED = Barred(SkipReason.PAUSED, "The tenant is suspended.")


@dataclass(frozen=True, slots=True)
class Part:
    """`n` jobs of a group, their ids and versions as texts with commas, and their plan. `asks`: what it depends on."""

    group: DueGroup
    plan: Plan
    n: int
    job_ids: str
    versions: str
    asks: Asks = Asks.NOTHING

    def split(self, at: int) -> tuple[Part, Part]:
        """The first `at` jobs, and the others."""
        ids, versions = self.job_ids.split(","), self.versions.split(",")
        return (
            replace(self, n=at, job_ids=",".join(ids[:at]), versions=",".join(versions[:at])),
            replace(self, n=self.n - at, job_ids=",".join(ids[at:]), versions=",".join(versions[at:])),
        )


@dataclass(slots=True)
class Batch:
    """A step's plans, jobs that have none with the reason, and jobs that are switched off. `left`: more is due."""

    planned: list[Part]
    broken: list[tuple[Part, str]]
    off: list[Part]
    left: bool = False


def plan_due(due: Due, *, seconds: float = PLANNING_SECONDS) -> Batch:
    """Plan what is due, group by group, for about `seconds`."""
    batch = Batch([], [], [])
    deadline, room = time.monotonic() + seconds, MAX_EXECUTIONS
    for group in due.groups:
        if room <= 0 or time.monotonic() > deadline:
            batch.left = True
            break
        if not group.active:
            batch.off.append(_part(group, _no_plan(group)))
            continue
        try:
            plan = _plan(group, due.now)
        except Exception as error:  # whatever a broken schedule raises, the other jobs go on
            batch.broken.append((_part(group, _no_plan(group)), reason_of(error)))
            continue
        part = replace(_part(group, plan), asks=asks_of(group, plan, due.now))
        fits = max(1, room // len(plan.fires)) if plan.fires else group.n
        if fits < group.n:
            part, _ = part.split(fits)
        room -= part.n * len(plan.fires)
        batch.left = batch.left or plan.again or fits < group.n
        batch.planned.append(part)
    return batch


def _plan(group: DueGroup, now: datetime) -> Plan:
    barred: Barred | None = None
    blackouts: tuple[Blackout, ...] = ()
    if group.suspended:
        barred = SUSPENDED
    elif is_cooling(group, now) and group.cool_off_until is not None:
        until = f"{group.cool_off_until:%Y-%m-%d %H:%M:%S}"
        barred = Barred(
            SkipReason.COOL_OFF, f"The job failed too often in a row and cools off until {until} UTC."
        )
    if group.blackouts and group.calendar_name is not None and group.calendar_timezone is not None:
        known = blackouts_of(group.calendar_name, group.calendar_timezone, group.blackouts)
        blackouts = reaching(known, group.next_run_at, now)
    policy = Policy(
        group.misfire,
        group.misfire_grace_seconds,
        max_runs=group.misfire_max_runs,
        pace_seconds=group.misfire_pace_seconds,
        jitter_seconds=group.jitter_seconds,
        blackouts=blackouts,
        barred=barred,
    )
    return plan_ticks(
        rule_of(group), policy, due=group.next_run_at, accounted=group.last_scheduled_for, now=now
    )


def _part(group: DueGroup, plan: Plan) -> Part:
    return Part(group, plan, group.n, group.job_ids, group.versions)


def _no_plan(group: DueGroup) -> Plan:
    return Plan((), (), group.next_run_at, None)


def reason_of(error: Exception) -> str:
    """Why a job is quarantined, for its tenant. A sentence of ours: an exception's text may hold anything."""
    logger.warning("a schedule cannot be worked out: %s", type(error).__name__)
    if isinstance(error, ScheduleError):
        return error.sentence
    return f"Its schedule cannot be worked out ({type(error).__name__})."
