"""The leader's care for the ledger's partitions: days made ahead, days in a default partition put in their place.

Nothing here makes a completion wait: a partition is attached, not made in place, and whatever has to have a table to
itself gives up within milliseconds and comes back.
"""

from __future__ import annotations

import logging

import psycopg

from apps.executions import ledger
from apps.executions.retirement import read
from apps.executions.sql import statement
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

logger = logging.getLogger(__name__)

# A reader in the way of a default partition makes those wait who come behind us, for so long at most.
LOCK_TIMEOUT = "100ms"
BLOCKED_RETRY_SECONDS = 60.0
MOST_MOVED = 20_000  # rows of a day; more are left for an operator, who may choose the hour
TABLES = ("executions_attempt", "executions_executionlog", "executions_executionoutput")


class PartitionKeeper:
    """Keeps a week of the ledger's partitions ahead, and tells of rows that found none. It touches nothing while all is
    well.
    """

    name = "partitions"

    def __init__(self, *, every: float = 600.0) -> None:
        self.every = every
        self._told: list[ledger.Unplaced] = []

    def run_once(self, session: LeaderSession) -> StepResult:
        counts: dict[str, int] = {}
        blocked = False
        try:
            with session.transaction() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                counts["partitions_made"] = ledger.create_partitions().on(cursor)
        except psycopg.errors.LockNotAvailable:
            counts["partitions_blocked"], blocked = 1, True
        found = read(session, ledger.unplaced())
        if found:
            moved, blocked_too = self._place(session)
            blocked |= blocked_too
            counts |= {"rows_moved": moved} if moved else {}
            found = read(session, ledger.unplaced())
        self._tell(session, found)
        if found:
            counts["rows_in_default"] = sum(each.rows for each in found)
        return StepResult(counts, wake_in=BLOCKED_RETRY_SECONDS if blocked else None)

    def _place(self, session: LeaderSession) -> tuple[int, bool]:
        """Rows that have a partition of their day now, and whether somebody was in the way."""
        moved, blocked = 0, False
        for (day,) in session.read(statement("read_placeable")):
            for parent in TABLES:
                try:
                    with session.transaction() as cursor:
                        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                        cursor.execute(
                            statement("place_day"), {"parent": parent, "day": day, "most": MOST_MOVED}
                        )
                        (n,) = cursor.fetchone() or (0,)
                        moved += max(n, 0)
                except psycopg.errors.LockNotAvailable:
                    blocked = True
        return moved, blocked

    def _tell(self, session: LeaderSession, found: list[ledger.Unplaced]) -> None:
        """In the log and the journal, whenever it is not what was told the last time."""
        if found and found != self._told:
            sentence = describe(found)
            logger.warning("%s", sentence)
            with session.transaction() as cursor:
                event_insert(
                    cursor,
                    event_type=SchedulerEvent.Type.CHECK_CYCLE,
                    epoch=session.epoch,
                    error_message=sentence,
                    event_data={
                        "rows_in_default": [
                            {"table": each.table, "day": f"{each.day}", "rows": each.rows} for each in found
                        ]
                    },
                )
        self._told = found


def describe(found: list[ledger.Unplaced]) -> str:
    """A sentence for operators on rows in default partitions."""
    shown = ", ".join(f"{each.rows} of {each.day} in {each.table}_default" for each in found[:5])
    more = f", and {len(found) - 5} more days" if len(found) > 5 else ""
    return f"Rows of the ledger lie in a default partition, their day having none: {shown}{more}."
