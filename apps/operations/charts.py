"""The last day in hours and the queue now, for a person who looks for a bend: three statements, none on the ledger."""

from __future__ import annotations

from collections import Counter as Sums
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from apps.executions.states import Outcome
from apps.operations.statements import sql

HOURS = 24
MOST_SKIPS = 50_000  # rows that are read


@dataclass(frozen=True, slots=True)
class Hour:
    """By when executions finished and skips were recorded; `skipped` by reason."""

    at: datetime
    succeeded: int
    failed: int
    skipped: Mapping[str, int]

    @property
    def all_skipped(self) -> int:
        return sum(self.skipped.values())


@dataclass(frozen=True, slots=True)
class Queue:
    """Live executions: due and waiting, waiting for their time, running, and those whose lease has expired."""

    waiting: int
    later: int
    running: int
    expired: int
    oldest: datetime | None = field(default=None)


def read_day(now: datetime) -> tuple[list[Hour], bool]:
    """HOURS hours of UTC, the last of them this one, and whether there were more skips than are read. In the scope of
    all tenants."""
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [this - timedelta(hours=back) for back in reversed(range(HOURS))]
    ended: Sums[tuple[datetime, str]] = Sums()
    skipped: dict[datetime, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql("read_hours"), {"since": hours[0]})
        for hour, status, n in cursor.fetchall():
            ended[hour, status] = n
        cursor.execute(sql("read_skipped_hours"), {"since": hours[0], "most": MOST_SKIPS})
        rows = 0
        for hour, reason, n, of in cursor.fetchall():
            skipped.setdefault(hour, {})[reason] = n
            rows += of
    day = [
        Hour(hour, ended[hour, Outcome.SUCCESS], ended[hour, Outcome.FAILED], skipped.get(hour, {}))
        for hour in hours
    ]
    return day, rows >= MOST_SKIPS


def read_queue(now: datetime) -> Queue:
    """In the scope of all tenants."""
    with connection.cursor() as cursor:
        cursor.execute(sql("read_queue"), {"now": now})
        return Queue(*cursor.fetchone())


def chart_data(hours: list[Hour], queue: Queue) -> dict[str, Any]:
    """What `static/scheduler/overview.js` draws."""
    reasons = sorted({reason for hour in hours for reason in hour.skipped})
    return {
        "hours": [f"{hour.at:%H:%M}" for hour in hours],
        "succeeded": [hour.succeeded for hour in hours],
        "failed": [hour.failed for hour in hours],
        "skipped": {reason: [hour.skipped.get(reason, 0) for hour in hours] for reason in reasons},
        "queue": [queue.running, queue.waiting, queue.later, queue.expired],
    }


def day_table(hours: list[Hour]) -> dict[str, Any]:
    """The same in words, the latest first."""
    return {
        "headers": ["Hour (UTC)", "Succeeded", "Failed", "Skipped", "Why skipped"],
        "rows": [
            [
                f"{hour.at:%Y-%m-%d %H:%M}",
                f"{hour.succeeded:,}",
                f"{hour.failed:,}",
                f"{hour.all_skipped:,}",
                ", ".join(f"{reason} {n:,}" for reason, n in sorted(hour.skipped.items())),
            ]
            for hour in reversed(hours)
        ],
    }
