"""Jobs: Alice's invoices, every night at half past two."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.refusals import ANOTHER_USER, invalid, refused

ZONE = "Europe/Berlin"
_SAID: dict[str, Any] = {
    "name": "Nightly invoices",
    "trigger": {"type": "cron", "cron_expression": "30 2 * * *"},
    "timezone": ZONE,
    "target": "http_request",
    "payload": {"url": "https://billing.acme.example/invoices", "method": "POST"},
    "policies": {"max_attempts": 3, "retry_delay_seconds": 60},
}
JOB: dict[str, Any] = {
    "id": "42",
    "name": "Nightly invoices",
    "trigger_type": "CronTrigger",
    "next_run_time": "2026-11-26T01:30:00Z",
    "user_id": "alice",
    "job_store": "postgres",
    "user_job_store": "postgres",
    "function_name": "http_request",
    "platform": "",
    "task_id": 42,
    "is_database_task": True,
    "frequency": "Every day at 02:30 (Europe/Berlin)",
    "task_type": "http_request",
    "task_category": "general",
    "website_url": None,
    "status": "active",
    "target": "http_request",
    "trigger": {
        "type": "cron",
        "cron_expression": "30 2 * * *",
        "dst_gap": "next_valid",
        "dst_overlap": "first",
    },
    "timezone": ZONE,
    "calendar": None,
    "policies": {
        "misfire": "fire_once",
        "misfire_grace_seconds": 15,
        "misfire_max_runs": 100,
        "misfire_pace_seconds": 1,
        "overlap": "skip",
        "max_concurrency": None,
        "jitter_seconds": 0,
        "timeout_seconds": 60,
        "max_attempts": 3,
        "retry_delay_seconds": 60,
        "retry_max_delay_seconds": 3600,
        "priority": 0,
        "cool_off_after": 5,
        "cool_off_seconds": 300,
    },
    "payload": {"url": "https://billing.acme.example/invoices", "method": "POST"},
    "payload_error": None,
    "version": 3,
    "external_key": None,
    "pause_reason": None,
    "paused_at": None,
    "quarantine_reason": None,
    "last_success": "2026-11-24T01:30:02.251907Z",
    "last_failure": "2026-11-25T01:33:05.118204Z",
    "failure_reason": "the server answered 503, expected 200 to 299",
    "consecutive_failures": 1,
    "created_at": "2026-11-02T09:12:44.018231Z",
    "updated_at": "2026-11-23T07:30:12.640118Z",
}
_NEVER_RAN = {
    "last_success": None,
    "last_failure": None,
    "failure_reason": None,
    "consecutive_failures": 0,
}
_RAN_WELL = _NEVER_RAN | {"last_success": "2026-11-20T01:30:01.907335Z"}
_NEW = _NEVER_RAN | {
    "version": 1,
    "next_run_time": "2026-11-03T01:30:00Z",
    "updated_at": "2026-11-02T09:12:44.018231Z",
}
_PAUSED = _RAN_WELL | {
    "status": "paused",
    "version": 2,
    "next_run_time": None,
    "pause_reason": "The billing service moves house.",
    "paused_at": "2026-11-20T15:04:31.220467Z",
    "updated_at": "2026-11-20T15:04:31.220467Z",
}
_RESUMED = _RAN_WELL | {"next_run_time": "2026-11-24T01:30:00Z"}
_CHANGED = {"version": 4, "updated_at": "2026-11-25T08:20:09.733512Z"}
_PATIENT = JOB["policies"] | {"max_attempts": 5, "retry_delay_seconds": 120}

_NIGHT = {"transition": None, "note": "", "blackout": None}
_NEXT = [
    {
        "run_time": f"2026-11-{day}T01:30:00Z",
        "run_at": f"2026-11-{day}T01:30:00Z",
        "local_time": f"2026-11-{day}T02:30:00+01:00",
        **_NIGHT,
    }
    for day in (26, 27, 28)
]
_MONTHLY = [
    {
        "run_time": f"{month}-28T01:30:00Z",
        "run_at": f"{month}-28T01:30:00Z",
        "local_time": f"{month}-28T02:30:00+01:00",
        **_NIGHT,
    }
    for month in ("2026-11", "2026-12", "2027-01", "2027-02")
]
_SPRING = {
    "run_time": "2027-03-28T01:00:00Z",
    "run_at": "2027-03-28T01:00:00Z",
    "local_time": "2027-03-28T03:00:00+02:00",
    "transition": "gap",
    "note": "02:30 does not exist on 28 March 2027; it runs at 03:00 instead.",
    "blackout": None,
}

BODIES: dict[str, Any] = {
    "jobs_create": _SAID,
    "jobs_replace": _SAID | {"policies": {"max_attempts": 5, "retry_delay_seconds": 120}},
    "jobs_change": {"policies": {"max_attempts": 5, "retry_delay_seconds": 120}},
    "jobs_pause": {"reason": "The billing service moves house."},
    "jobs_resume": {"reason": "The billing service is back."},
    "jobs_trigger": {"reason": "The books close today."},
    "jobs_preview": {
        "trigger": {"type": "cron", "cron_expression": "30 2 28 * *"},
        "timezone": ZONE,
        "count": 5,
    },
}

_BY_STATUS = {"active": 0, "paused": 0, "failed": 0, "needs_intervention": 0, "completed": 0}
_SKIPPED = {
    "id": -17,
    "status": "skipped",
    "scheduled_for": "2026-11-21T01:30:00Z",
    "scheduled_until": "2026-11-23T01:30:00Z",
    "execution_time_ms": None,
    "reason": "paused",
    "count": 3,
    "kind": None,
    "state": None,
}
_RAN = {
    "id": 1001,
    "status": "success",
    "scheduled_for": "2026-11-24T01:30:00Z",
    "scheduled_until": "2026-11-24T01:30:00Z",
    "execution_time_ms": 2251,
    "reason": None,
    "count": 1,
    "kind": "scheduled",
    "state": "finished",
}
_FAILED = _RAN | {
    "id": 1002,
    "status": "failed",
    "scheduled_for": "2026-11-25T01:30:00Z",
    "scheduled_until": "2026-11-25T01:30:00Z",
    "execution_time_ms": 30118,
}
_NO_CRON = invalid("trigger.cron_expression", "It would never run: no month it names has a day 30.")
_NO_JOB = {"404": refused("There is no such job."), "403": refused("This job belongs to another user.")}
_NO_REASON = {"400": invalid("reason", "This has to be text.")}
_OF_JOB = _NO_JOB | {"400": invalid("policies.max_attempts", "Use a whole number from 1 to 25.")}
ANSWERS: dict[str, dict[str, Any]] = {
    "jobs_list": {
        "200": {
            "jobs": [JOB],
            "total_count": 3,
            "limit": 1,
            "offset": 0,
            "has_more": True,
            "next_cursor": "WzQyXQ~i3zzwzrS5ULBcMbNini8XXoAumEA2sii7hJLR81KkQk",
            "total_jobs": 3,
            "recurring_jobs": 3,
            "one_time_jobs": 0,
        },
        "403": ANOTHER_USER,
    },
    "jobs_create": {"201": JOB | _NEW, "400": _NO_CRON, "403": ANOTHER_USER},
    "jobs_read": {"200": JOB, **_NO_JOB},
    "jobs_replace": {"200": JOB | _CHANGED | {"policies": _PATIENT}, **_OF_JOB},
    "jobs_change": {"200": JOB | _CHANGED | {"policies": _PATIENT}, **_OF_JOB},
    "jobs_delete": {"200": JOB | _CHANGED | {"status": "completed", "next_run_time": None}, **_NO_JOB},
    "jobs_pause": {"200": JOB | _PAUSED, **_NO_JOB, **_NO_REASON},
    "jobs_resume": {"200": JOB | _RESUMED, **_NO_JOB, **_NO_REASON},
    "jobs_trigger": {
        "202": {
            "success": True,
            "job_id": "42",
            "execution_id": 1004,
            "message": "The job will run as soon as a worker is free.",
        },
        **_NO_JOB,
        **_NO_REASON,
    },
    "jobs_next_runs": {
        "200": {
            "job_id": "42",
            "status": "active",
            "frequency": JOB["frequency"],
            "timezone": ZONE,
            "next_runs": _NEXT,
        },
        **_NO_JOB,
        "400": invalid("count", "Use a whole number from 1 to 100."),
        "409": refused("The job's schedule is broken: there is no time zone 'Europe/Atlantis'"),
    },
    "jobs_categories": {
        "200": {
            "categories": [
                {"category": "general", "label": "General", **_BY_STATUS, "job_count": 1, "active": 1},
                {
                    "category": "platform_insights",
                    "label": "Platform insights",
                    **_BY_STATUS,
                    "job_count": 2,
                    "active": 1,
                    "needs_intervention": 1,
                },
            ],
            "total_jobs": 3,
        }
    },
    "jobs_outcomes": {
        "200": {"outcomes": {"42": [_SKIPPED, _RAN, _FAILED]}},
        "400": invalid("job_id", "Use 1 to 100 ids of jobs, with commas between them."),
    },
    "jobs_preview": {
        "200": {
            "trigger": JOB["trigger"] | {"cron_expression": "30 2 28 * *"},
            "frequency": "On day 28 of every month at 02:30 (Europe/Berlin)",
            "timezone": ZONE,
            "next_runs": [*_MONTHLY, _SPRING],
        },
        "400": _NO_CRON,
    },
}
