from __future__ import annotations

import psycopg

from apps.executions import ledger
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

LOCK_TIMEOUT = "2s"
BLOCKED_RETRY_SECONDS = 60.0


class PartitionKeeper:
    """Keeps a week of the ledger's partitions ahead. It touches nothing while they are there."""

    name = "partitions"

    def __init__(self, *, every: float = 3600.0) -> None:
        self.every = every

    def run_once(self, session: LeaderSession) -> StepResult:
        try:
            with session.transaction() as cursor:
                # Attaching a partition locks the ledger; a long reader must not make every worker queue behind us.
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                made = ledger.create_partitions().on(cursor)
        except psycopg.errors.LockNotAvailable:
            return StepResult({"partitions_blocked": 1}, wake_in=BLOCKED_RETRY_SECONDS)
        return StepResult({"partitions_made": made})
