"""Executions of nominal times: scheduled ones and backfills. Manual runs and retries are of no time of the schedule."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Count, Max

from apps.executions.models import Execution, ExecutionLog
from apps.executions.states import Kind

TICKS = (Kind.SCHEDULED, Kind.BACKFILL)


def ticks_taken(
    *, tenant_id: int, job_id: int, first: datetime, last: datetime, among: Collection[datetime] = ()
) -> set[datetime]:
    """The nominal times from `first` to `last` that have an execution, live or in the ledger; of `among` if given.

    One statement and so one snapshot: an execution that just moves to the ledger is in one of the two.
    """
    filters = {
        "tenant_id": tenant_id,
        "job_id": job_id,
        "kind__in": TICKS,
        "scheduled_for__gte": first,  # prunes partitions
        "scheduled_for__lte": last,
    }
    if among:
        filters["scheduled_for__in"] = list(among)
    live, ended = (
        model.objects.filter(**filters).order_by().values_list("scheduled_for", flat=True)
        for model in (Execution, ExecutionLog)
    )
    return set(live.union(ended, all=True))


def executions_of_ticks(
    *, tenant_id: int, job_id: int, first: datetime, last: datetime, limit: int
) -> tuple[list[Execution], list[ExecutionLog]]:
    """The earliest `limit` of each. Live ones are read first: what ends in between is in both, never in neither."""
    filters = {
        "tenant_id": tenant_id,
        "job_id": job_id,
        "kind__in": TICKS,
        "scheduled_for__gte": first,
        "scheduled_for__lte": last,
    }
    live = list(Execution.objects.filter(**filters).order_by("scheduled_for")[:limit])
    return live, list(ExecutionLog.objects.filter(**filters).order_by("scheduled_for")[:limit])


def waiting_backfills(*, tenant_id: int, job_id: int) -> tuple[int, datetime | None]:
    """How many backfills of the job are live, and when the last of them may start."""
    live = Execution.objects.filter(tenant_id=tenant_id, job_id=job_id, kind=Kind.BACKFILL)
    found = live.aggregate(number=Count("id"), last=Max("run_at"))
    return found["number"], found["last"]
