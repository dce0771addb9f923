"""How much journal a tenant has, and letting go of what is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min, QuerySet

from apps.jobs.schedules import database_now
from apps.leadership.journal import events_delete
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import tenant_scope
from apps.tenants.identity import user_rows
from apps.tenants.models import Tenant
from apps.tenants.services import audit

BATCH = 10_000  # rows


def event_statistics(tenant: Tenant, user_id: str | None) -> dict[str, Any]:
    """How many lines there are of each type, from when to when; of one user's jobs where `user_id` is given."""
    events: QuerySet[SchedulerEvent] = SchedulerEvent.objects.filter(tenant=tenant)
    if user_id is not None:
        events = events.filter(user_rows(tenant.pk, user_id))
    found = events.values("event_type").annotate(
        n=Count("id"), first=Min("event_date"), last=Max("event_date")
    )
    rows = {row["event_type"]: row for row in found.order_by()}
    return {
        "total_events": sum(row["n"] for row in rows.values()),
        "events_by_type": {
            kind: rows[kind]["n"] if kind in rows else 0 for kind in SchedulerEvent.Type.values
        },
        "date_range": {
            "oldest_event": min((row["first"] for row in rows.values()), default=None),
            "newest_event": max((row["last"] for row in rows.values()), default=None),
        },
    }


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a cleanup did, or would do. `oldest_kept_event` is null where nothing is left."""

    deleted_count: int
    would_delete_count: int
    oldest_kept_event: datetime | None
    cutoff_date: datetime
    dry_run: bool


def event_logs_cleanup(*, tenant: Tenant, older_than_days: int, dry_run: bool, actor: str) -> Cleanup:
    """Delete the tenant's lines that are older, in batches. Nothing that repair or the ledger needs is in them."""
    with tenant_scope(tenant):
        cutoff = database_now() - timedelta(days=older_than_days)
        events = SchedulerEvent.objects.filter(tenant=tenant)
        deleted = 0 if dry_run else _delete(tenant, cutoff)
        if not dry_run:
            with transaction.atomic():
                data = {"deleted": deleted, "older_than_days": older_than_days}
                audit(actor=actor, action="journal.cleanup", tenant=tenant, object_type="journal", data=data)
        return Cleanup(
            deleted_count=deleted,
            would_delete_count=events.filter(event_date__lt=cutoff).count() if dry_run else 0,
            oldest_kept_event=events.filter(event_date__gte=cutoff).aggregate(at=Min("event_date"))["at"],
            cutoff_date=cutoff,
            dry_run=dry_run,
        )


def _delete(tenant: Tenant, cutoff: datetime) -> int:
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            gone = events_delete(cursor, tenant_id=tenant.pk, before=cutoff, limit=BATCH)
        deleted += gone
        if gone < BATCH:
            return deleted
