"""Plans' limits of the executions that are made a minute and a day: the leader's, and those of requests.

A schedule's times beyond a limit are skipped and say why; a request beyond one is refused whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection

from apps.executions.call import Executes
from apps.executions.models import Execution
from apps.executions.states import State
from apps.executions.usage import (
    DAY,
    MINUTE,
    Granted,
    Limits,
    Used,
    charge_usage,
    grant_usage,
    periods,
    read_usage,
)
from apps.jobs.models import Job
from apps.jobs.schedules import database_now
from apps.jobs.selectors import plan_of
from apps.tenants.models import Plan, Tenant

__all__ = [
    "Consumption",
    "Grant",
    "Limits",
    "QuotaExceeded",
    "consumption_of",
    "grant",
    "limits_of",
    "request_executions",
]


class Grant(NamedTuple):
    """How many of what was wanted may be made, and why no more; empty where all may."""

    allowed: int
    detail: str


class Consumption(NamedTuple):
    """What a tenant has of what its plan allows. `used` is None where the plan limits neither minute nor day: then
    nobody counts.
    """

    plan: Plan
    jobs: int
    running: int
    used: Used | None
    minute_ends: datetime
    day_ends: datetime


class QuotaExceeded(Exception):
    """A request asks for more executions than its tenant's plan leaves. Nothing was made, and nothing charged.

    `retry_after` in seconds; None where waiting helps nothing, because the plan never allows so many at once.
    """

    def __init__(self, detail: str, retry_after: int | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


def limits_of(plan: Plan) -> Limits:
    """What the plan says of executions that are made."""
    return Limits(plan.executions_per_minute, plan.executions_per_day)


def grant(
    cursor: Executes, wanted: Mapping[int, int], *, limits: Mapping[int, Limits], now: datetime
) -> dict[int, Grant]:
    """Charge what these tenants' plans allow of the executions that their schedules want; all by tenant.

    In the leader's transaction, which makes what was granted. It waits for nobody.
    """
    now = now.astimezone(UTC)
    found = grant_usage(cursor, wanted, limits=limits, now=now)
    return {
        tenant_id: Grant(granted.allowed, _why_no_more(wanted[tenant_id], granted, limits[tenant_id], now))
        for tenant_id, granted in found.items()
    }


def _why_no_more(wanted: int, granted: Granted, limits: Limits, now: datetime) -> str:
    if granted.allowed >= wanted:
        return ""
    if limits.per_day and granted.used.day + granted.allowed >= limits.per_day:
        used_up = now if granted.allowed else granted.latest
        at = f" at {used_up.astimezone(UTC):%H:%M} UTC" if used_up is not None else ""
        return f"{_allows(limits.per_day, 'day')}; {_were(limits.per_day)} used up{at}."
    return f"{_allows(limits.per_minute, 'minute')}; {_were(limits.per_minute)} used up in that of {now:%H:%M} UTC."


def request_executions(tenant: Tenant, n: int) -> None:
    """Charge the tenant `n` executions that somebody asks for. Raises QuotaExceeded.

    In the tenant's scope and in the transaction that makes them, after all locks on cursors: of two who ask at the
    same time the second waits for the first, whose locks it must not hold.
    """
    limits = limits_of(plan_of(tenant))
    if not any(limits):
        return
    now = database_now().astimezone(UTC)
    with connection.cursor() as cursor:
        charge_usage(cursor, tenant_id=tenant.pk, n=n, now=now)
        # Once more, in a statement of its own: it sees what was committed while the first waited.
        used = read_usage(cursor, tenant_id=tenant.pk, now=now)
    minute, day = periods(now)
    for limit, total, name, ends in (
        (limits.per_day, used.day, "day", day + DAY),
        (limits.per_minute, used.minute, "minute", minute + MINUTE),
    ):
        if not limit or total <= limit:
            continue
        asked = "one more" if n == 1 else f"{n:,} more"
        if n > limit:
            raise QuotaExceeded(f"{_allows(limit, name)}, and this asks for {n:,} at once.", None)
        raise QuotaExceeded(
            f"{_allows(limit, name)} and has made {total - n:,} in this one; {asked} can be had from "
            f"{ends:%H:%M} UTC on.",
            max(1, math.ceil((ends - now).total_seconds())),
        )


def consumption_of(tenant: Tenant) -> Consumption:
    """Four queries, five where executions are counted; none of them grows with the tenant's history."""
    plan, now = plan_of(tenant), database_now().astimezone(UTC)
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None).count()
    running = Execution.objects.filter(tenant=tenant, state=State.LEASED).count()
    used = None
    if any(limits_of(plan)):
        with connection.cursor() as cursor:
            used = read_usage(cursor, tenant_id=tenant.pk, now=now)
    minute, day = periods(now)
    return Consumption(plan, jobs, running, used, minute + MINUTE, day + DAY)


def _allows(limit: int, period: str) -> str:
    return f"The plan allows {limit:,} run{'s' if limit > 1 else ''} a {period}"


def _were(limit: int) -> str:
    return "they were" if limit > 1 else "it was"
