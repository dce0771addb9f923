"""What the leader does to executions: one function per statement. Each in a transaction of its session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from apps.executions.call import Call

MAX_LOST = 3
LOST_TOO_OFTEN = f"its worker was lost {MAX_LOST} times"


class Reaped(NamedTuple):
    """Executions that wait again, and those that have lost too many workers."""

    again: int
    failed: int
    duplicates: int


class Folded(NamedTuple):
    """Deltas taken, and what they added."""

    deltas: int
    succeeded: int
    failed: int


class Unplaced(NamedTuple):
    """Rows of a table and a day (UTC) that lie in its default partition."""

    table: str
    day: date
    rows: int


def reap(*, limit: int, ids: Sequence[int] | None = None) -> Call[Reaped]:
    """Take back up to `limit` expired leases, whoever held them: of these executions, or of all (None)."""
    params = {
        "limit": limit,
        "max_lost": MAX_LOST,
        "reason": LOST_TOO_OFTEN,
        "ids": None if ids is None else list(ids),
    }
    return Call("reap", params, lambda rows: Reaped(rows[0][0], rows[0][2], rows[0][1] - rows[0][2]))


def next_expiry() -> Call[float | None]:
    """Seconds until the next lease runs out."""
    return Call("next_expiry", {}, lambda rows: rows[0][0])


def fold_deltas(*, limit: int, epoch: int) -> Call[Folded]:
    """Add up to `limit` deltas to the counters and totals."""
    return Call("fold_deltas", {"limit": limit, "epoch": epoch}, lambda rows: Folded(*rows[0]))


def create_partitions() -> Call[int]:
    """Make the missing partitions of the days around today."""
    return Call("create_partitions", {}, lambda rows: int(rows[0][0]))


def unplaced() -> Call[list[Unplaced]]:
    """What lies in default partitions."""
    return Call("read_unplaced", {}, lambda rows: [Unplaced(*row) for row in rows])
