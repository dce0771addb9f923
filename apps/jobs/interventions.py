"""Jobs that need a person: in a cool-off, in quarantine, failing in a row, or paused because their endpoint is gone.

Reads only; `runs.job_run_now` acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now

from apps.executions.models import ExecutionLog
from apps.executions.states import Outcome
from apps.jobs.models import Cursor, Job
from apps.jobs.schedules import database_now
from apps.jobs.selectors import is_stopped, jobs_of, needs_somebody
from apps.jobs.states import ENDPOINT_GONE, Switch
from apps.tenants.identity import canonical, canonical_ids
from apps.tenants.models import Tenant

# By then it is no outage of a minute: with the usual doubling of delays a receiver has been away for hours.
CRITICAL_IN_A_ROW = 10
RECENT = timedelta(days=7)
LAST_FAILURES = 20  # whose sentences are looked at
_LONG_NUMBER = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{5,})\b", re.IGNORECASE)

# Paused, but by nobody who would know of it.
_SWITCHED_OFF = Q(switch=Switch.PAUSED, pause_reason=ENDPOINT_GONE)
_NEEDY = needs_somebody() | _SWITCHED_OFF
_CRITICAL = is_stopped() | _SWITCHED_OFF | Q(cursor__consecutive_failures__gte=CRITICAL_IN_A_ROW)


WORST_FIRST = ("-in_a_row", "-id")


def needy_jobs(tenant: Tenant, user_id: str | None) -> QuerySet[Job]:
    """The user's jobs, or the tenant's, that need somebody, each with its cursor, those that failed longest first.

    `in_a_row` is how often it failed in a row, `recent_failures` counts the failures of the last seven days, and
    `sentences` are our words on the latest of them.
    """
    failures = ExecutionLog.objects.filter(
        tenant=tenant,
        job_id=OuterRef("pk"),
        status=Outcome.FAILED,
        scheduled_for__gte=Now() - RECENT,  # prunes partitions
    )
    counted = failures.order_by().values("job_id").annotate(n=Count("pk")).values("n")
    latest = failures.order_by("-scheduled_for", "-id").values("error_message")[:LAST_FAILURES]
    return (
        jobs_of(tenant, user_id=user_id)
        .filter(_NEEDY)
        .annotate(
            in_a_row=Coalesce("cursor__consecutive_failures", Value(0)),
            recent_failures=Coalesce(Subquery(counted, output_field=IntegerField()), Value(0)),
            sentences=ArraySubquery(latest),
        )
        .order_by("-cursor__consecutive_failures", "id")
    )


def intervention_tasks(tenant: Tenant, user_id: str) -> list[dict[str, Any]]:
    """The user's jobs that need somebody, as dashboards know them; three queries whatever their number."""
    return task_payloads(tenant, list(needy_jobs(tenant, user_id)))


def task_payloads(tenant: Tenant, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Jobs of `needy_jobs` as dashboards know them, in two queries whatever their number."""
    users = canonical_ids(tenant.pk, [(job.user_id, job.legacy_user_id) for job in jobs])
    now = database_now()
    return [_task(job, user, _cursor(job), now) for job, user in zip(jobs, users, strict=True)]


def intervention_summary(tenant: Tenant, user_id: str) -> dict[str, Any]:
    """How many there are by task type, how many are critical, and how long ago the oldest last failed, in hours.

    Critical is what does not run any more (cool-off, quarantine, endpoint gone) or has failed ten times in a row.
    """
    by_type = list(
        jobs_of(tenant, user_id=user_id)
        .filter(_NEEDY)
        .order_by("task_type")
        .values("task_type")
        .annotate(
            n=Count("pk"), critical=Count("pk", filter=_CRITICAL), oldest=Min("cursor__last_failure_at")
        )
    )
    oldest = min((row["oldest"] for row in by_type if row["oldest"] is not None), default=None)
    age = None if oldest is None else max(database_now() - oldest, timedelta(0))
    return {
        "user_id": canonical(tenant.pk, user_id, None),
        "total": sum(row["n"] for row in by_type),
        "by_type": {row["task_type"]: row["n"] for row in by_type},
        "critical_failures": sum(row["critical"] for row in by_type),
        "oldest_failure_hours": None if age is None else round(age / timedelta(hours=1), 2),
    }


def _cursor(job: Job) -> Cursor:
    """One that has lost its cursor may have been switched off as any other, and is shown without failures."""
    found: Cursor | None = getattr(job, "cursor", None)
    return found or Cursor(job_id=job.id, consecutive_failures=0, quarantine_reason="")


def _task(job: Any, user_id: str | None, cursor: Cursor, now: Any) -> dict[str, Any]:
    reason = cursor.quarantine_reason or cursor.failure_reason
    cools = cursor.cool_off_until is not None and cursor.cool_off_until > now
    return {
        "task_id": job.id,
        "task_type": job.task_type,
        "user_id": user_id,
        "platform": job.platform,
        "website_url": job.website_url,
        "failure_pattern": {
            "consecutive_failures": cursor.consecutive_failures,
            "recent_failures": job.recent_failures,
            "failure_reason": reason,
            "last_failure_time": cursor.last_failure_at,
            "error_patterns": error_patterns(job.sentences) or error_patterns([cursor.failure_reason]),
        },
        "failure_reason": reason,
        "last_failure": cursor.last_failure_at,
        # Ours.
        "task_title": job.name,
        "status": job.status,
        "cool_off_until": cursor.cool_off_until if cools else None,
        "quarantined_at": cursor.quarantined_at,
    }


def error_patterns(sentences: Iterable[str | None]) -> list[str]:
    """The different sentences, the most frequent first; ids and long numbers in them do not make a difference."""
    counts: dict[str, int] = {}
    for sentence in sentences:
        if pattern := _LONG_NUMBER.sub("…", " ".join((sentence or "").split())):
            counts[pattern] = counts.get(pattern, 0) + 1
    return sorted(counts, key=lambda pattern: -counts[pattern])
