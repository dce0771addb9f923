"""Connections, and what becomes of their monitoring, as dashboards know them. Credentials are in none of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from apps.jobs.payloads import job_payloads
from apps.jobs.platforms import registry
from apps.jobs.platforms.content import CONNECTED
from apps.jobs.platforms.selectors import connected_platforms, monitoring_jobs
from apps.jobs.platforms.services import SKIPPED, Ensured, Reconciliation
from apps.jobs.schedules import database_now
from apps.jobs.states import Status
from apps.tenants.identity import both_forms, canonical_ids
from apps.tenants.models import Tenant
from apps.vault.models import Connection


def connection_payloads(
    tenant: Tenant, rows: Sequence[Connection], *, status: str = CONNECTED
) -> list[dict[str, Any]]:
    """A page of connections. One of a platform that is no longer on offer has no task."""
    users = canonical_ids(tenant.pk, [(row.user_id, row.legacy_user_id) for row in rows])
    offered = set(registry.names())
    return [
        {
            "platform": row.platform,
            "title": registry.get(row.platform).title if row.platform in offered else row.platform,
            "task_type": registry.get(row.platform).task_type if row.platform in offered else None,
            "user_id": user_id,
            "status": status,
            "label": row.label,
            "settings": row.settings,
            "has_credentials": row.sealed is not None,
            "credentials_updated_at": row.credentials_updated_at,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
        for row, user_id in zip(rows, users, strict=True)
    ]


def status_payload(tenant: Tenant, user_id: str) -> dict[str, Any]:
    """The monitoring jobs of what the user has connected, and for which platforms there is none. Makes nothing."""
    connected = connected_platforms(tenant, user_id)
    jobs: list[Any] = list(monitoring_jobs(tenant, user_id).filter(platform__in=connected))
    counts = Counter(job.status for job in jobs)
    monitored = {job.platform for job in jobs}
    return {
        "user_id": both_forms(tenant.pk, user_id)[0],
        "tasks": job_payloads(tenant, jobs),
        "total_tasks": len(jobs),
        "active_tasks": counts[Status.ACTIVE],
        "paused_tasks": counts[Status.PAUSED],
        "failed_tasks": counts[Status.FAILED] + counts[Status.NEEDS_INTERVENTION],
        "connected_platforms": connected,
        "missing_platforms": [name for name in connected if name not in monitored],
        "last_updated": database_now(),
    }


def reconciliation_payload(done: Reconciliation) -> dict[str, Any]:
    """Every connected platform was created, skipped (`details` says why) or is a failure; a resumed one is skipped."""
    skipped = {name: SKIPPED[what] for name, what in done.ensured.items() if what is not Ensured.CREATED}
    return {
        "success": not done.failures,
        "user_id": done.user_id,
        "connected_insights_platforms": done.connected,
        "created_platforms": [name for name in done.ensured if name not in skipped],
        "skipped_platforms": list(skipped),
        "resumed_platforms": [name for name, what in done.ensured.items() if what is Ensured.RESUMED],
        "failures": [{"platform": name, "error": sentence} for name, sentence in done.failures.items()],
        "details": [{"platform": name, "reason": sentence} for name, sentence in skipped.items()],
        "auditable": True,
        "reconciled_at": done.reconciled_at,
    }
