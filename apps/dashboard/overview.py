"""The dashboard: how the scheduler does for one tenant, and that tenant's jobs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from apps.dashboard import selectors
from apps.jobs.payloads import job_payloads
from apps.jobs.selectors import job_counts, jobs_of
from apps.leadership.selectors import current_term
from apps.tenants.authentication import Member
from apps.tenants.models import Tenant

SHOWN_JOBS = 100  # the next to run; the list of jobs pages through all of them


def dashboard_payload(member: Member) -> dict[str, Any]:
    """Numbers of the tenant, jobs of the member (of the tenant for admins and owners), in a fixed number of queries."""
    tenant = member.tenant
    jobs: QuerySet[Any] = jobs_of(tenant, user_id=None if member.sees_tenant else member.user_id)
    counts = job_counts(jobs)
    task_types = selectors.task_types_of(tenant)
    return {
        "stats": stats_of(tenant, task_types),
        "jobs": job_payloads(tenant, list(jobs.order_by("due", "id")[:SHOWN_JOBS])),
        "job_count": counts["total_jobs"],
        "recurring_jobs": counts["recurring_jobs"],
        "one_time_jobs": counts["one_time_jobs"],
        "registered_task_types": task_types,
        "user_isolation": {"enabled": not member.sees_tenant, "current_user_id": member.user_id},
        "last_updated": selectors.database_now(),
    }


def stats_of(tenant: Tenant, task_types: list[str]) -> dict[str, Any]:
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
        "active_strategies_count": selectors.active_type_count(tenant),
        "registered_types": task_types,
        "cumulative_total_check_cycles": totals.check_cycles if totals else 0,
        "cumulative_tasks_found": totals.tasks_found if totals else 0,
        "cumulative_tasks_executed": totals.tasks_executed if totals else 0,
        "cumulative_tasks_failed": totals.tasks_failed if totals else 0,
    }
