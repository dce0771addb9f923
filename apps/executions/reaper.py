from __future__ import annotations

from apps.executions import ledger
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult


class Reaper:
    """Takes back the leases of workers that died, hung or were cut off."""

    name = "reaper"

    def __init__(self, *, every: float = 1.0, limit: int = 500) -> None:
        self.every = every
        self._limit = limit

    def run_once(self, session: LeaderSession) -> StepResult:
        with session.transaction() as cursor:
            reaped = ledger.reap(limit=self._limit).on(cursor)
            expiry = ledger.next_expiry().on(cursor)
        # Not counted as `failed`: that is counted when the delta is folded, and a failure must not be counted twice.
        counts = {"reaped": reaped.again + reaped.failed + reaped.duplicates, "lost_for_good": reaped.failed}
        return StepResult(
            counts,
            again=counts["reaped"] >= self._limit,
            # A lease that is overdue and still there is being renewed or completed at this moment.
            wake_in=None if expiry is None else max(expiry, self.every),
        )
