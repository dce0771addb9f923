"""Who led when, how long a takeover took, and how late executions began. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from scheduler_saas.demo.witnesses import Fault, History, LedgerRow

TAKEOVER = timedelta(seconds=2)
_SELF_CLOSED = ("stopped", "one check", "stepped down: ")


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
        if term.ended_at is not None and term.end_reason.startswith(_SELF_CLOSED):
            end = max(end, term.ended_at)
        edges += [(term.started_at, 1), (end, -1)]
    most = now = 0
    for _, change in sorted(edges):  # at the same instant an end comes before a start
        now += change
        most = max(most, now)
    return max(most, 2) if out_of_order else most


def first_dispatch_ms(history: History, fault: Fault) -> float | None:
    """From the fault to the first row that a later term dispatched; None without a successor that did."""
    later = [
        row.created_at
        for row in history.rows
        if row.epoch is not None and row.epoch > fault.epoch and row.created_at >= fault.at
    ]
    return milliseconds(min(later) - fault.at) if later else None


def takeover_ms(history: History, fault: Fault) -> float | None:
    """From the fault to the start of the next term."""
    starts = [term.started_at for term in history.terms if term.epoch > fault.epoch]
    return milliseconds(min(starts) - fault.at) if starts else None


def milliseconds(span: timedelta) -> float:
    return round(span.total_seconds() * 1000, 1)


def in_takeover(row: LedgerRow, faults: Iterable[Fault]) -> bool:
    """Whether any of the row's wait from due to start was in the two seconds after a fault."""
    started_at = row.started_at
    if started_at is None:
        return False
    return any(row.run_at <= fault.at + TAKEOVER and started_at >= fault.at for fault in faults)


def lags_of(rows: Iterable[LedgerRow]) -> dict[str, float | None]:
    """From due to the handler's start, milliseconds; of executions that needed one attempt."""
    lags = sorted(
        (row.started_at - row.run_at).total_seconds() * 1000
        for row in rows
        if row.started_at is not None and row.attempts == 1
    )
    return {"p50": percentile(lags, 0.50), "p99": percentile(lags, 0.99)}


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
