"""What the first page of the operators' admin shows, in the words of its template."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from apps.jobs.models import Cursor
from apps.operations.charts import MOST_SKIPS, chart_data, day_table
from apps.operations.selectors import FailingTenant, Overview, overview

_LINK = "text-primary-600 dark:text-primary-500"


def home() -> dict[str, Any]:
    """In the scope of all tenants."""
    seen = overview()
    leader = seen.replicas.leader
    return {
        "overview": seen,
        "verdict": seen.verdict,
        "counts": {name: f"{number:,}" for name, number in _counts(seen).items()},
        "leader": leader,
        "leads_for": _span(leader.seconds) if leader else "",
        "standbys": ", ".join(session.replica for session in seen.replicas.standbys),
        "charts": chart_data(seen.hours, seen.queue),
        "day_table": day_table(seen.hours),
        "late_table": {
            "headers": ["Job", "Tenant", "Due (UTC)", "Late by"],
            "rows": [_late(cursor, seen.now) for cursor in seen.late_jobs],
        },
        "failing_jobs_table": {
            "headers": ["Job", "Tenant", "Failures in a row", "Why"],
            "rows": [_failing_job(cursor) for cursor in seen.failing_jobs],
        },
        "failing_table": {
            "headers": ["Tenant", "Failed", "of", "Failing jobs", "Quarantined"],
            "rows": [_tenant(tenant) for tenant in seen.failing],
        },
    }


def _counts(seen: Overview) -> dict[str, int]:
    return {
        "due": seen.due,
        "late": seen.late,
        "running": seen.queue.running,
        "waiting": seen.queue.waiting,
        "later": seen.queue.later,
        "suspended": seen.suspended,
        "skips": MOST_SKIPS,
    }


def _late(cursor: Cursor, now: datetime) -> list[Any]:
    due = cursor.next_run_at or now
    return [
        _job(cursor),
        cursor.tenant,
        f"{due.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        _span((now - due).total_seconds()),
    ]


def _failing_job(cursor: Cursor) -> list[Any]:
    why = cursor.quarantine_reason if cursor.quarantined_at else cursor.failure_reason
    return [_job(cursor), cursor.tenant, f"{cursor.consecutive_failures:,}", (why or "")[:120]]


def _job(cursor: Cursor) -> str:
    page = reverse("admin:jobs_job_change", args=[cursor.job_id])
    return format_html('<a href="{}" class="{}">{}</a>', page, _LINK, cursor.job.name)


def _tenant(tenant: FailingTenant) -> list[Any]:
    jobs = f"{reverse('admin:jobs_job_changelist')}?tenant__id__exact={tenant.id}"
    link = format_html('<a href="{}" class="{}">{}</a>', jobs, _LINK, tenant.name)
    return [link, f"{tenant.failed:,}", f"{tenant.executed:,}", tenant.failing_jobs, tenant.quarantined_jobs]


def _span(seconds: float) -> str:
    """As a person reads it: the two largest units."""
    parts: list[str] = []
    whole = max(0, round(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if whole >= size and len(parts) < 2:
            parts.append(f"{whole // size} {unit}")
        whole %= size
    return " ".join(parts) or "0 s"
