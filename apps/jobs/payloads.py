"""Jobs as dashboards know them. The keys and types of the first half of `_payload` are a contract: never fewer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from apps.jobs.calendars.entries import covering
from apps.jobs.jitter import delay
from apps.jobs.models import Cursor, Job
from apps.jobs.plans import Blackout
from apps.jobs.recurrence.preview import UpcomingRun, preview
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.wording import describe
from apps.jobs.schedules import Scheduled, rule_of
from apps.jobs.states import Trigger
from apps.tenants.identity import canonical_ids
from apps.tenants.models import Tenant
from apps.vault.services import contents_get

JOB_STORE = "postgres"
# The contract knows three; a manual job has no times to come, as a date that has passed. `trigger.type` says manual.
TRIGGER_NAMES: dict[str, str] = {
    Trigger.CRON: "CronTrigger",
    Trigger.INTERVAL: "IntervalTrigger",
    Trigger.DATE: "DateTrigger",
    Trigger.MANUAL: "DateTrigger",
}
POLICIES = (
    "misfire",
    "misfire_grace_seconds",
    "misfire_max_runs",
    "misfire_pace_seconds",
    "overlap",
    "max_concurrency",
    "jitter_seconds",
    "timeout_seconds",
    "max_attempts",
    "retry_delay_seconds",
    "retry_max_delay_seconds",
    "priority",
    "cool_off_after",
    "cool_off_seconds",
)
CONTENT_LOST = (
    "The payload is missing or cannot be opened, and runs fail without it; saving a payload replaces it."
)
_WINDOW = ("starts_at", "ends_at")  # shown where they are set
_OF_TRIGGER: dict[str, tuple[str, ...]] = {
    Trigger.CRON: ("cron_expression", "dst_gap", "dst_overlap"),
    Trigger.INTERVAL: ("interval_seconds", "anchor_at"),
    Trigger.DATE: ("run_date",),
    Trigger.MANUAL: (),
}


def job_payloads(tenant: Tenant, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs of a page (from `selectors.jobs_of`), in two queries whatever their number. In the tenant's scope."""
    users = canonical_ids(tenant.pk, [(job.user_id, job.legacy_user_id) for job in jobs])
    contents = contents_get((job.id, job.content_version) for job in jobs)
    return [
        _payload(job, user_id, contents.get((job.id, job.content_version)))
        for job, user_id in zip(jobs, users, strict=True)
    ]


def _payload(job: Any, user_id: str | None, content: dict[str, Any] | None) -> dict[str, Any]:
    # A job may have lost its cursor; showing it must not fail before anybody can reconcile it.
    cursor: Cursor | None = getattr(job, "cursor", None)
    return {
        "id": str(job.id),
        "name": job.name,
        "trigger_type": TRIGGER_NAMES[job.trigger_type],
        "next_run_time": cursor and cursor.next_run_at,
        "user_id": user_id,
        "job_store": JOB_STORE,
        "user_job_store": JOB_STORE,
        "function_name": job.target,
        "platform": job.platform or "",
        "task_id": job.id,
        "is_database_task": True,
        "frequency": frequency(job),
        "task_type": job.task_type,
        "task_category": job.task_category,
        "website_url": job.website_url,
        "status": job.status,
        # Ours.
        "target": job.target,
        "trigger": trigger_payload(job),
        "timezone": job.timezone,
        "calendar": str(job.calendar_id) if job.calendar_id is not None else None,
        "policies": {name: getattr(job, name) for name in POLICIES},
        "payload": content,
        "payload_error": None if content is not None else CONTENT_LOST,
        "version": job.version,
        "external_key": job.external_key,
        "pause_reason": job.pause_reason or None,
        "paused_at": job.paused_at,
        "quarantine_reason": (cursor and cursor.quarantine_reason) or None,
        "last_success": cursor and cursor.last_success_at,
        "last_failure": cursor and cursor.last_failure_at,
        "failure_reason": cursor and cursor.failure_reason,
        "consecutive_failures": cursor.consecutive_failures if cursor else 0,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def trigger_payload(job: Scheduled) -> dict[str, Any]:
    """The trigger as a request may send it: `type` and the fields that this type has."""
    return {
        "type": job.trigger_type,
        **{name: getattr(job, name) for name in _OF_TRIGGER[job.trigger_type]},
        **{name: bound for name in _WINDOW if (bound := getattr(job, name)) is not None},
    }


def frequency(job: Scheduled) -> str:
    """The schedule in plain English."""
    """The schedule in plain English."""
    try:
        return describe(rule_of(job))
    except ValueError:
        return "Its schedule is broken"


def next_runs_payload(
    rule: Rule,
    timezone: str,
    now: datetime,
    count: int,
    *,
    blackouts: tuple[Blackout, ...] = (),
    job: Job | None = None,
) -> list[dict[str, Any]]:
    """Upcoming times; `transition` is "gap" or "overlap" where a clock change matters, and `note` says how.

    `run_at` is the time with the jitter of `job`. A time that a calendar blacks out is listed all the same, and
    `blackout` says why it will not run. Raises ScheduleError.
    """
    return [_run(rule, run, blackouts, job) for run in preview(rule, now, count, timezone=timezone)]


def _run(rule: Rule, run: UpcomingRun, blackouts: tuple[Blackout, ...], job: Job | None) -> dict[str, Any]:
    jitter = 0.0 if job is None else delay(job.id, rule, run.instant, job.jitter_seconds)
    blackout = covering(blackouts, run.instant)
    return {
        "run_time": run.instant,
        "run_at": run.instant + timedelta(seconds=jitter),
        "local_time": run.local,
        "transition": run.transition,
        "note": run.note,
        "blackout": blackout.detail if blackout is not None else None,
    }
