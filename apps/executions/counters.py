from __future__ import annotations

from apps.executions import ledger
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult


class CounterFold:
    """Adds what the workers' flushes appended to the counters and to the tenants' totals."""

    name = "counters"

    def __init__(self, *, every: float = 1.0, limit: int = 5000) -> None:
        self.every = every
        self._limit = limit

    def run_once(self, session: LeaderSession) -> StepResult:
        with session.transaction() as cursor:
            folded = ledger.fold_deltas(limit=self._limit, epoch=session.epoch).on(cursor)
        counts = {"deltas": folded.deltas, "executed": folded.succeeded, "failed": folded.failed}
        return StepResult(counts, again=folded.deltas >= self._limit)
