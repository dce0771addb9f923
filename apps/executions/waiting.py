"""Ticks that have been dispatched and wait while their job is left alone: held until it may be tried again, or let go.

The caller holds the jobs' cursors, so that nothing is dispatched meanwhile, and decides when a job is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from apps.executions.call import Executes
from apps.executions.queue import notify_work
from apps.executions.sql import statement


class Waiting(NamedTuple):
    """What waits of a job, and until when it does; `pace` are the seconds between two of them after that."""

    job_id: int
    until: datetime
    pace: int


def hold_waiting(cursor: Executes, jobs: Sequence[Waiting]) -> int:
    """Nothing of these jobs that waits starts before their `until`; how many executions that are."""
    befores = [job.until for job in jobs]
    return _move(cursor, jobs, afters=[None] * len(jobs), befores=befores, starts=befores)


def release_waiting(cursor: Executes, jobs: Sequence[Waiting]) -> int:
    """What was held until their `until` may start from now on; how many executions that are."""
    nothing = [None] * len(jobs)
    moved = _move(cursor, jobs, afters=[job.until for job in jobs], befores=nothing, starts=nothing)
    if moved:
        notify_work(cursor)
    return moved


def _move(
    cursor: Executes,
    jobs: Sequence[Waiting],
    *,
    afters: Sequence[datetime | None],
    befores: Sequence[datetime | None],
    starts: Sequence[datetime | None],
) -> int:
    cursor.execute(
        statement("pace_waiting"),
        {
            "job_ids": [job.job_id for job in jobs],
            "paces": [job.pace for job in jobs],
            "afters": list(afters),
            "befores": list(befores),
            "starts": list(starts),
        },
    )
    return int(cursor.fetchall()[0][0])
