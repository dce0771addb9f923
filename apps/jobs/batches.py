"""From a chunk of due jobs to their plans, and from plans to the rows that are written. No database in here."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apps.executions.queue import NewExecution
from apps.executions.states import Kind
from apps.jobs.cycles import Work
from apps.jobs.planning import Plan, Policy, plan_ticks
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.rows import Due, DueJob
from apps.jobs.schedules import rule_of

logger = logging.getLogger(__name__)

# A step plans for so long and inserts so many executions at most. The session must not look hung, nor the heartbeat
# stop, because a thousand jobs have missed a month; the next step goes on at once.
PLANNING_SECONDS = 0.5
MAX_EXECUTIONS = 10_000


class Planned(NamedTuple):
    job: DueJob
    plan: Plan


@dataclass(slots=True)
class Batch:
    """A step's plans, and the jobs that have none with the reason. `left`: more is due."""

    planned: list[Planned]
    broken: list[tuple[DueJob, str]]
    left: bool = False


def plan_due(due: Due, *, seconds: float = PLANNING_SECONDS) -> Batch:
    """Plan what is due, longest due first, for about `seconds`. Equal schedules are worked out once."""
    batch = Batch([], [])
    memo: dict[object, Plan] = {}
    deadline, executions = time.monotonic() + seconds, 0
    for job in due.jobs:
        if executions >= MAX_EXECUTIONS or time.monotonic() > deadline:
            batch.left = True
            break
        try:
            rule = rule_of(job)
            barred = "The tenant is suspended." if job.suspended else ""
            policy = Policy(job.misfire, job.misfire_grace_seconds, barred)
            key = (rule, policy, job.next_run_at, job.last_scheduled_for)
            plan = memo.get(key)
            if plan is None:
                plan = plan_ticks(
                    rule, policy, due=job.next_run_at, accounted=job.last_scheduled_for, now=due.now
                )
                memo[key] = plan
        except Exception as error:  # whatever a broken schedule raises, the other jobs go on
            batch.broken.append((job, reason_of(error)))
            continue
        executions += len(plan.fires)
        batch.left = batch.left or plan.again
        batch.planned.append(Planned(job, plan))
    return batch


def reason_of(error: Exception) -> str:
    """Why a job is quarantined, for its tenant. A sentence of ours: an exception's text may hold anything."""
    logger.warning("a schedule cannot be worked out: %s", type(error).__name__)
    if isinstance(error, ScheduleError):
        return error.sentence
    return f"Its schedule cannot be worked out ({type(error).__name__})."


def executions_of(planned: Sequence[Planned], epoch: int) -> list[NewExecution]:
    """A row of the queue for each tick that fires. What a worker must know of the job is copied onto it."""
    return [
        NewExecution(
            tenant_id=job.tenant_id,
            job_id=job.job_id,
            job_name=job.name,
            user_id=job.user_id,
            legacy_user_id=job.legacy_user_id,
            kind=Kind.SCHEDULED,
            retry_of=None,
            scheduled_for=tick,
            run_at=tick,
            task_type=job.task_type,
            target=job.target,
            epoch=epoch,
            priority=job.priority,
            content_version=job.content_version,
            timeout_seconds=job.timeout_seconds,
            max_attempts=job.max_attempts,
            retry_delay_seconds=job.retry_delay_seconds,
            retry_max_delay_seconds=job.retry_max_delay_seconds,
        )
        for job, plan in planned
        for tick in plan.fires
    ]


def work_of(planned: Sequence[Planned]) -> dict[int, Work]:
    """What was found for each tenant: every tick that got an outcome, and how many of them were skips."""
    work: dict[int, Work] = {}
    for job, plan in planned:
        skipped = plan.skipped
        done = work.setdefault(job.tenant_id, Work())
        done.found += len(plan.fires) + skipped
        done.skipped += skipped
        done.by_type[job.task_type] += len(plan.fires) + skipped
    return work
