"""Who led when, how long a takeover took, and how late executions began. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from scheduler_saas.demo.witnesses import History, LedgerRow

TAKEOVER = timedelta(seconds=2)
_SELF_CLOSED = ("stopped", "one check")


def leaders_max(history: History) -> int:
    """The most leaders at one time, as two witnesses have it: the terms' own times, and the order of commits by epoch.

    A term that did not close itself (killed, hung) ends with its last sign of life: a heartbeat or a row of its epoch.
    """
    alive: dict[int, datetime] = {}
    created = sorted(
        (row.created_at, row.execution_id, row.epoch) for row in history.rows if row.epoch is not None
    )
    newest, out_of_order = 0, False
    for at, _, epoch in created:
        alive[epoch] = at
        out_of_order |= epoch < newest
        newest = max(newest, epoch)
    edges: list[tuple[datetime, int]] = []
    for term in history.terms:
        end = max(term.heartbeat_at, alive.get(term.epoch, term.started_at))
        if term.ended_at is not None and term.end_reason in _SELF_CLOSED:
            end = max(end, term.ended_at)
        edges += [(term.started_at, 1), (end, -1)]
    most = now = 0
    for _, change in sorted(edges):  # at the same instant an end comes before a start
        now += change
        most = max(most, now)
    return max(most, 2) if out_of_order else most


def takeover_ms(history: History) -> float | None:
    """From the kill to the first row that a later term dispatched; None without a kill or a successor."""
    if history.killed_at is None or history.killed_epoch is None:
        return None
    later = [
        row.created_at
        for row in history.rows
        if row.epoch is not None and row.epoch > history.killed_epoch and row.created_at >= history.killed_at
    ]
    return round((min(later) - history.killed_at).total_seconds() * 1000, 1) if later else None


def in_takeover(row: LedgerRow, killed_at: datetime | None) -> bool:
    """Whether any of the row's wait from due to start was in the two seconds after the kill."""
    if killed_at is None or row.started_at is None:
        return False
    return row.run_at <= killed_at + TAKEOVER and row.started_at >= killed_at


def lags_of(rows: Iterable[LedgerRow]) -> dict[str, float | None]:
    """From due to the handler's start, milliseconds; of executions that needed one attempt."""
    lags = sorted(
        (row.started_at - row.run_at).total_seconds() * 1000
        for row in rows
        if row.started_at is not None and row.attempts == 1
    )
    return {"p50": _percentile(lags, 0.50), "p99": _percentile(lags, 0.99)}


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
