"""Who led when, as lanes of a picture and as sentences: the last day of terms, for the operators' page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from apps.leadership.handover import in_good_order
from apps.leadership.report import HOURS, Report, TermLine, read_report
from apps.tenants.operators import utc

DRAWN = 300  # terms; where leaders change more often than that, the latest
TOLD = 12
_DAY = timedelta(hours=HOURS)


class Bar(NamedTuple):
    """`left` and `width` in percent of the day, as CSS has them."""

    left: str
    width: str
    how: str
    title: str


class Lane(NamedTuple):
    replica: str
    bars: list[Bar]
    share: float  # of the day that it led, in percent


def read_timeline() -> dict[str, Any]:
    """In four queries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return timeline(read_report(), now=now)


def timeline(report: Report, *, now: datetime) -> dict[str, Any]:
    """`lanes`, the replica that led last first; `marks` of the hours; `takeovers` in sentences, the latest first."""
    terms = report.terms[:DRAWN]
    since = now - _DAY
    lanes: dict[str, list[TermLine]] = {}
    for term in terms:
        lanes.setdefault(term.replica, []).append(term)
    return {
        "report": report,
        "hours": HOURS,
        "lanes": [_lane(replica, of, since, now, report.leader) for replica, of in lanes.items()],
        "marks": [f"{since + quarter * _DAY / 4:%H:%M}" for quarter in range(4)] + ["now"],
        "takeovers": _takeovers(terms, now, report.leader),
        "terms": len(report.terms),
    }


def _lane(
    replica: str, terms: Sequence[TermLine], since: datetime, now: datetime, leader: TermLine | None
) -> Lane:
    bars, led = [], timedelta()
    for term in terms:
        # An open term without a leader behind it lasted until its last sign of life.
        last_sign = now if term is leader else now - timedelta(seconds=term.heartbeat_age)
        start, end = max(term.started_at, since), term.ended_at or max(last_sign, term.started_at)
        led += end - start
        left, width = (100 * part / _DAY for part in (start - since, end - start))
        bars.append(Bar(f"{left:.3f}%", f"{max(0.0, width):.3f}%", _how(term, leader), _title(term, leader)))
    return Lane(replica, bars, round(100 * led / _DAY, 1))


def _how(term: TermLine, leader: TermLine | None) -> str:
    if term.ended_at is None:
        return "open" if term is leader else "lost"
    return "ended" if in_good_order(term.end_reason) else "lost"


def _title(term: TermLine, leader: TermLine | None) -> str:
    if term.ended_at is None:
        until = "leads now" if term is leader else "open, but silent"
    else:
        until = f"until {utc(term.ended_at)}, {term.end_reason or 'for no stated reason'}"
    return f"Epoch {term.epoch} of {term.replica}: from {utc(term.started_at)}, {until}"


def _takeovers(terms: Sequence[TermLine], now: datetime, leader: TermLine | None) -> dict[str, Any]:
    """Each term with the one before it (`terms` has the newest first), and how long nobody led in between."""
    rows = []
    for term, former in zip(terms[:TOLD], [*terms[1:], None], strict=False):
        gap = ""
        if former is not None and former.ended_at is not None:
            closed = in_good_order(former.end_reason)  # else its last sign of life counts
            end = former.ended_at if closed else now - timedelta(seconds=former.heartbeat_age)
            gap = f"{max(0.0, (term.started_at - end).total_seconds()):.1f} s"
        ended = "leads now" if term is leader else term.end_reason or "open, but silent"
        rows.append(
            [
                term.epoch,
                term.replica,
                utc(term.started_at),
                utc(term.ended_at) if term.ended_at else "",
                f"{timedelta(seconds=round(term.seconds))}",
                ended,
                gap,
            ]
        )
    headers = ["Epoch", "Replica", "From (UTC)", "Until", "Led for", "Why it ended", "Nobody before it for"]
    return {"headers": headers, "rows": rows}
