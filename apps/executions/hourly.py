"""What became of a tenant's executions by the hour (UTC) of their nominal times: how many, how late, how long.

Each function does a bounded amount of work however large the ledger is. Everything filters by tenant beside row
security.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q, Sum

from apps.executions.models import Counter, Delta
from apps.executions.sql import statement
from apps.executions.states import Outcome
from apps.tenants.identity import UserForms

HOUR, _INSTANT = timedelta(hours=1), timedelta(microseconds=1)
SAMPLE = 500  # executions of an hour, the latest, that percentiles are taken of
MOST_SKIPS = 50_000  # ranges, the latest, that are looked at


class Percentiles(NamedTuple):
    """In milliseconds: half of what was measured is no more than `p50`, 99 of 100 no more than `p99`."""

    p50: int
    p99: int


class Timings(NamedTuple):
    """Of the latest `n` executions of an hour: from when they might run until they started, and how long they ran."""

    n: int
    lag_ms: Percentiles | None
    duration_ms: Percentiles | None


class Skipped(NamedTuple):
    """How many nominal times of each hour were skipped. Those before and in the hour `cut_at` are not all looked at."""

    by_hour: dict[datetime, int]
    cut_at: datetime | None


def hours_until(now: datetime, count: int) -> list[datetime]:
    """The beginnings of `count` hours, earliest first; the last is that of `now`."""
    last = now.replace(minute=0, second=0, microsecond=0)
    return [last - HOUR * back for back in reversed(range(count))]


def finished_by_hour(
    *, tenant_id: int, user: UserForms | None, hours: Sequence[datetime]
) -> dict[tuple[datetime, str], int]:
    """How many have finished, exactly, by hour and status.

    Counters and what is not folded yet are read in one statement, so that a fold in between counts nothing twice.
    """
    wanted = Q(tenant_id=tenant_id, hour__gte=hours[0], hour__lt=hours[-1] + HOUR)
    if user is not None:
        wanted &= Q(user_key__in=user.strings)
    counted, waiting = (
        rows.order_by().values("hour", "status").annotate(total=Sum("n"))
        for rows in (Counter.objects.filter(wanted), Delta.objects.filter(wanted))
    )
    found: Tally[tuple[datetime, str]] = Tally()
    for row in counted.union(waiting, all=True):
        found[row["hour"], row["status"]] += row["total"]
    return dict(found)


def timings_by_hour(
    *, tenant_id: int, user: UserForms | None, hours: Sequence[datetime]
) -> dict[datetime, Timings]:
    """Of up to SAMPLE executions of each hour; hours without any are left out."""
    params: dict[str, Any] = {
        "tenant_id": tenant_id,
        "hours": list(hours),
        "since": hours[0],
        "until": hours[-1] + HOUR,
        "statuses": Outcome.values,
        "strings": user.strings if user else [],
        "integers": user.integers if user else [],
        "size": SAMPLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("read_timings" if user is None else "read_timings_of_user"), params)
        rows = cursor.fetchall()
    return {
        hour: Timings(n, Percentiles(*lag) if lag else None, Percentiles(*duration) if duration else None)
        for hour, n, lag, duration in rows
    }


def skipped_by_hour(*, tenant_id: int, job_ids: Sequence[int] | None, hours: Sequence[datetime]) -> Skipped:
    """Of the whole tenant, or of these jobs. The times of a range over several hours are taken to lie evenly between
    its ends: of intervals they do, and of cron rules nearly.
    """
    params: dict[str, Any] = {
        "tenant_id": tenant_id,
        "since": hours[0],
        "job_ids": None if job_ids is None else list(job_ids),
        "size": MOST_SKIPS,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("read_skips"), params)
        rows = cursor.fetchall()
    found: Tally[datetime] = Tally()
    for first, last, count, _ in rows:
        if first is not None:
            found.update(spread(first, last, count, since=hours[0], until=hours[-1] + HOUR))
    return Skipped(dict(found), rows[0][3] if rows else None)


def spread(
    first: datetime, last: datetime, count: int, *, since: datetime, until: datetime
) -> dict[datetime, int]:
    """How many of `count` instants, evenly from `first` to `last`, lie in each hour from `since` until `until`."""
    span, gaps = (last - first) // _INSTANT, count - 1

    def before(instant: datetime) -> int:
        if instant > last:
            return count
        return -(-max((instant - first) // _INSTANT, 0) * gaps // span) if span else 0

    found = {}
    hour = max(first.replace(minute=0, second=0, microsecond=0), since)
    while hour < until and hour <= last:
        if number := before(hour + HOUR) - before(hour):
            found[hour] = number
        hour += HOUR
    return found
