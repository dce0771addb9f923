"""The dashboard: how the scheduler does for one tenant, and that tenant's jobs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F

from apps.dashboard import selectors
from apps.jobs.models import Cursor, Job
from apps.jobs.payloads import job_payloads
from apps.jobs.selectors import jobs_of
from apps.leadership.selectors import current_term
from apps.tenants.authentication import Member
from apps.tenants.identity import user_rows
from apps.tenants.models import Tenant

SHOWN_JOBS = 50  # the next to run, as many as a page has; the list of jobs pages through all of them


def dashboard_payload(member: Member) -> dict[str, Any]:
    """Numbers of the tenant, jobs of the member (of the tenant for admins and owners), in a fixed number of queries."""
    tenant = member.tenant
    user_id = None if member.sees_tenant else member.user_id
    counts = selectors.job_counts(tenant, user_id)
    task_types = selectors.task_types_of(tenant)
    return {
        "stats": stats_of(tenant, task_types, counts.active_types),
        "jobs": job_payloads(tenant, _next_to_run(tenant, user_id, counts.total)),
        "job_count": counts.total,
        "recurring_jobs": counts.recurring,
        "one_time_jobs": counts.total - counts.recurring,
        "registered_task_types": task_types,
        "user_isolation": {"enabled": not member.sees_tenant, "current_user_id": member.user_id},
        "last_updated": selectors.database_now(),
    }


def _next_to_run(tenant: Tenant, user_id: str | None, total: int) -> list[Any]:
    """The first to run, and last those that never do: read in order from index cursor_next_of_tenant."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None)
    if user_id is not None:
        jobs = jobs.filter(user_rows(tenant.pk, user_id))
    soonest = F("next_run_at").asc(nulls_last=True)
    cursors = Cursor.objects.filter(tenant=tenant, job__in=jobs).order_by(soonest, "job_id")
    ids = list(cursors.values_list("job_id", flat=True)[:SHOWN_JOBS])
    if len(ids) < min(total, SHOWN_JOBS):  # some have lost their cursor, and are shown all the same
        ids += jobs.filter(cursor=None).order_by("id").values_list("id", flat=True)[: SHOWN_JOBS - len(ids)]
    return list(
        jobs_of(tenant).filter(id__in=ids).order_by(F("cursor__next_run_at").asc(nulls_last=True), "id")
    )


def stats_of(tenant: Tenant, task_types: list[str], active_types: int) -> dict[str, Any]:
    """What the contract calls `stats`. Counts "since the leader's term began" are 0 while nobody leads."""
    term = current_term()
    totals = selectors.totals_of(tenant)
    of_term = totals if totals and term and totals.term_epoch == term.epoch else None
    return {
        "total_checks": of_term.term_checks if of_term else 0,
        "tasks_found": of_term.term_found if of_term else 0,
        "tasks_executed": of_term.term_executed if of_term else 0,
        "tasks_failed": of_term.term_failed if of_term else 0,
        "tasks_skipped": of_term.term_skipped if of_term else 0,
        "last_check": totals.last_check_at if totals else None,
        "last_update": totals.updated_at if totals else None,
        "last_interval_adjustment": selectors.last_interval_adjustment(tenant),
        "active_executions": selectors.running_count(tenant),
        "running": term is not None,
        # The loop wakes for each due time, so the shortest interval is none and the longest is the one between checks
        # when nothing is due.
        "check_interval_minutes": settings.CHECK_INTERVAL / 60,
        "min_check_interval_minutes": 0.0,
        "max_check_interval_minutes": settings.CHECK_INTERVAL / 60,
        "intelligent_scheduling": True,
        "active_strategies_count": active_types,
        "registered_types": task_types,
        "cumulative_total_check_cycles": totals.check_cycles if totals else 0,
        "cumulative_tasks_found": totals.tasks_found if totals else 0,
        "cumulative_tasks_executed": totals.tasks_executed if totals else 0,
        "cumulative_tasks_failed": totals.tasks_failed if totals else 0,
    }
