"""How many executions were made for a tenant in a minute and in a day (UTC): one function per statement.

Counted for tenants whose plan has a limit, and whoever makes the executions charges them in the same transaction. The
leader counts what schedules make, requests what people ask for, in rows of their own: it never waits for a web
transaction. What the two make at the same instant they do not see of each other, so a limit may then be passed by as
much as one request asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.executions.call import Executes
from apps.executions.sql import statement

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Limits(NamedTuple):
    """Of a plan, in executions that are made (attempts are not counted); 0: none."""

    per_minute: int
    per_day: int


class Used(NamedTuple):
    """Executions that were made in the minute and in the day."""

    minute: int
    day: int


class Granted(NamedTuple):
    """`allowed` were charged; `used` is what there was before, and `latest` the minute of the day in which the last of
    it was made."""

    allowed: int
    used: Used
    latest: datetime | None


def periods(now: datetime) -> tuple[datetime, datetime]:
    """When the minute and the day of `now`, an instant of UTC, begin."""
    return now.replace(second=0, microsecond=0), now.replace(hour=0, minute=0, second=0, microsecond=0)


def _cells(now: datetime) -> dict[str, datetime]:
    minute, day = periods(now)
    return {"minute": minute, "day": day}


def grant_usage(
    cursor: Executes, wanted: Mapping[int, int], *, limits: Mapping[int, Limits], now: datetime
) -> dict[int, Granted]:
    """Charge what the plans of these tenants allow of what their schedules want; `wanted` by tenant."""
    params: dict[str, Any] = {
        "tenant_ids": list(wanted),
        "wanted": list(wanted.values()),
        "per_minute": [limits[tenant_id].per_minute for tenant_id in wanted],
        "per_day": [limits[tenant_id].per_day for tenant_id in wanted],
        **_cells(now),
    }
    cursor.execute(statement("grant_usage"), params)
    return {
        tenant_id: Granted(allowed, Used(minute, day), latest)
        for tenant_id, allowed, minute, day, latest in cursor.fetchall()
    }


def charge_usage(cursor: Executes, *, tenant_id: int, n: int, now: datetime) -> None:
    """Charge `n` executions that a request asks for, and have others that ask wait until the transaction ends."""
    cursor.execute(statement("charge_usage"), {"tenant_id": tenant_id, "n": n, **_cells(now)})


def read_usage(cursor: Executes, *, tenant_id: int, now: datetime) -> Used:
    """What the tenant was charged so far."""
    cursor.execute(statement("read_usage"), {"tenant_id": tenant_id, **_cells(now)})
    return Used(*cursor.fetchall()[0])
