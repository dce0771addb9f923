"""What the first page of the operators' admin shows, in the words of its template."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from django.urls import reverse

from apps.jobs.models import Cursor
from apps.operations import runbooks
from apps.operations.alerts.selectors import Standing
from apps.operations.charts import MOST_SKIPS, chart_data, day_table
from apps.operations.selectors import FailingTenant, Overview, overview
from apps.tenants.operators import link, span, utc


def home() -> dict[str, Any]:
    """In the scope of all tenants."""
    seen = overview()
    leader = seen.replicas.leader
    return {
        "overview": seen,
        "verdict": seen.verdict,
        "counts": {name: f"{number:,}" for name, number in _counts(seen).items()},
        "leader": leader,
        "leads_for": span(leader.seconds) if leader else "",
        "standbys": ", ".join(session.replica for session in seen.replicas.standbys),
        "alerts": _alerts(seen),
        "unread": runbooks.unacknowledged(),
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


def _alerts(seen: Overview) -> dict[str, Any]:
    """Those that fire or are about to, and a sentence on all of them."""
    age = max((each.age_seconds for each in seen.alerts if each.age_seconds is not None), default=None)
    stand = Counter(each.standing for each in seen.alerts)
    return {
        "sentence": (
            f"{stand[Standing.FIRING]} of {len(seen.alerts)} fire; evaluated {span(age)} ago."
            if age is not None
            else "No worker has evaluated them yet."
        ),
        "firing": bool(stand[Standing.FIRING]) and age is not None,
        "table": {
            "headers": ["Alert", "", "Since (UTC)", "What it means"],
            "rows": [
                [
                    link(reverse("admin:runbook", args=[each.alert.runbook]), each.alert.name),
                    each.standing.value,
                    utc(each.since) if each.since else "",
                    each.alert.summary,
                ]
                for each in seen.alerts
                if each.standing in (Standing.FIRING, Standing.PENDING) and age is not None
            ],
        },
    }


def _late(cursor: Cursor, now: datetime) -> list[Any]:
    due = cursor.next_run_at or now
    return [
        _job(cursor),
        cursor.tenant,
        utc(due),
        span((now - due).total_seconds()),
    ]


def _failing_job(cursor: Cursor) -> list[Any]:
    why = cursor.quarantine_reason if cursor.quarantined_at else cursor.failure_reason
    return [_job(cursor), cursor.tenant, f"{cursor.consecutive_failures:,}", (why or "")[:120]]


def _job(cursor: Cursor) -> str:
    page = reverse("admin:jobs_job_change", args=[cursor.job_id])
    return link(page, cursor.job.name)


def _tenant(tenant: FailingTenant) -> list[Any]:
    jobs = f"{reverse('admin:jobs_job_changelist')}?tenant__id__exact={tenant.id}"
    name = link(jobs, tenant.name)
    return [name, f"{tenant.failed:,}", f"{tenant.executed:,}", tenant.failing_jobs, tenant.quarantined_jobs]
