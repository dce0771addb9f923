from __future__ import annotations

import time

from apps.executions import ledger
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

STEP_SECONDS = 0.05  # what is due waits for a step that is under way
LEAST, MOST = 500, 20_000  # deltas of a step


class CounterFold:
    """Adds what the workers' flushes appended to the counters and to the tenants' totals.

    A backlog is taken in steps of about STEP_SECONDS. How many deltas that is depends on how many cells they fall into:
    those of one hour take a fifth of the time that those of an import of many users and months take.
    """

    name = "counters"

    def __init__(self, *, every: float = 1.0, limit: int = 5000) -> None:
        self.every = every
        self._limit = limit
        self._least = min(limit, LEAST)

    def run_once(self, session: LeaderSession) -> StepResult:
        limit, started = self._limit, time.monotonic()
        with session.transaction() as cursor:
            folded = ledger.fold_deltas(limit=limit, epoch=session.epoch).on(cursor)
        if behind := folded.deltas >= limit:
            fits = limit * STEP_SECONDS / (time.monotonic() - started)
            self._limit = round(min(max(fits, limit / 2, self._least), limit * 2, MOST))
        counts = {"deltas": folded.deltas, "executed": folded.succeeded, "failed": folded.failed}
        return StepResult(counts, again=behind)
