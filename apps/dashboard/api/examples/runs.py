"""What is done about runs: why one is missing, and cancelling, retrying and backfilling."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.jobs import JOB, ZONE
from apps.dashboard.api.examples.refusals import ANOTHER_USER, NO_USER, invalid, refused

_ASKED_AGAIN = "It will run again as soon as a worker is free."
_DOWN = {"reason": "The billing service was down."}
_WEEKEND = {"from": "2026-11-21T00:00:00Z", "to": "2026-11-22T23:59:59Z"}
_NOT_BOTH = "Name execution_ids or a filter, not both."
_LAST_SKIP = "2026-11-23T01:30:00Z"

BODIES: dict[str, Any] = {
    "executions_cancel": {"reason": "One too many."},
    "executions_retry": _DOWN,
    "tasks_manual_trigger": {"reason": "The credentials are new."},
}

_BACKFILL = {"success": True, "job_id": "42", **_WEEKEND, "found": 2, "already": 0}
_SAID_OF_TWO = "2 runs will start, 5 seconds apart, behind what the schedules ask for."
_TASK = {
    "task_id": 51,
    "task_type": "bing_insights",
    "user_id": "alice",
    "platform": "bing",
    "website_url": None,
    "failure_pattern": {
        "consecutive_failures": 5,
        "recent_failures": 5,
        "failure_reason": "the server answered 500, expected 200 to 299",
        "last_failure_time": "2026-11-24T16:40:19.502813Z",
        "error_patterns": ["the server answered 500, expected 200 to 299"],
    },
    "failure_reason": "the server answered 500, expected 200 to 299",
    "last_failure": "2026-11-24T16:40:19.502813Z",
    "task_title": "Bing Webmaster Tools insights",
    "status": "needs_intervention",
    "cool_off_until": "2026-11-25T16:40:19.502813Z",
    "quarantined_at": None,
}
_SKIPPED = {
    "scheduled_for": "2026-11-21T01:30:00Z",
    "scheduled_until": _LAST_SKIP,
    "local_time": "2026-11-21T02:30:00+01:00",
    "count": 3,
    "outcome": "skipped",
    "reason": "paused",
    "detail": None,
    "error_message": None,
    "epoch": 7,
    "execution_id": None,
    "kind": None,
    "run_at": None,
    "finished_at": None,
    "range": {"from": "2026-11-21T01:30:00Z", "to": _LAST_SKIP, "count": 3},
    "note": "",
    "sentence": "Skipped: the job was paused. One of 3 times from 2026-11-21 01:30:00 UTC to 2026-11-23 01:30:00 UTC.",
}
_RAN = {
    "scheduled_for": "2026-11-24T01:30:00Z",
    "scheduled_until": "2026-11-24T01:30:00Z",
    "local_time": "2026-11-24T02:30:00+01:00",
    "count": 1,
    "outcome": "success",
    "reason": None,
    "detail": None,
    "error_message": None,
    "epoch": 7,
    "execution_id": 1001,
    "kind": "scheduled",
    "run_at": "2026-11-24T01:30:00Z",
    "finished_at": "2026-11-24T01:30:02.251907Z",
    "range": None,
    "note": "",
    "sentence": "Ran, success, finished at 2026-11-24 01:30:02 UTC.",
}

_NO_JOB = {"404": refused("There is no such job."), "403": refused("This job belongs to another user.")}
_NO_EXECUTION = {
    "404": refused("There is no such execution."),
    "403": refused("This execution is of another user's job."),
    "400": invalid("reason", "This has to be text."),
}
_NO_USER = {"403": ANOTHER_USER, "400": NO_USER}
ANSWERS: dict[str, dict[str, Any]] = {
    "jobs_why": {
        "200": {
            "job_id": "42",
            "timezone": ZONE,
            "frequency": JOB["frequency"],
            "from": "2026-11-21T00:00:00Z",
            "to": "2026-11-24T12:00:00Z",
            "times": [_SKIPPED, _RAN],
            "count": 2,
            "has_more": False,
            "next_from": None,
            "nearest": None,
        },
        **_NO_JOB,
        "400": invalid("at", "Ask about one instant or about a range, not about both."),
    },
    "jobs_backfill": {
        "200": {
            **_BACKFILL,
            "dry_run": True,
            "enqueued": 0,
            "execution_ids": [],
            "message": "This would make 2 runs, 5 seconds apart; nothing was made.",
        },
        "202": {
            **_BACKFILL,
            "dry_run": False,
            "enqueued": 2,
            "execution_ids": [1005, 1006],
            "message": _SAID_OF_TWO,
        },
        **_NO_JOB,
        "400": invalid("from", "The range has to begin before it ends."),
    },
    "executions_cancel": {
        "200": {
            "success": True,
            "execution_id": 1006,
            "was": "pending",
            "message": "It was waiting and will not run.",
        },
        **_NO_EXECUTION,
        "409": refused("This execution has finished already; there is nothing to cancel."),
    },
    "executions_retry": {
        "202": {"success": True, "execution_id": 1003, "retry_of": 1002, "message": _ASKED_AGAIN},
        **_NO_EXECUTION,
        "409": refused("This execution has not finished yet; cancel it first, or wait."),
    },
    "executions_bulk_retry": {
        "202": {
            "success": True,
            "retried": [{"execution_id": 1003, "retry_of": 1002}],
            "refused": [],
            "has_more": False,
        },
        "403": ANOTHER_USER,
        "400": {"detail": _NOT_BOTH, "errors": {"non_field_errors": [_NOT_BOTH]}},
    },
    "tasks_needing_intervention": {
        "200": {"success": True, "tasks": [_TASK], "count": 1},
        **_NO_USER,
        "404": refused("There is nothing at this path."),
    },
    "tasks_needing_intervention_list": {
        "200": {
            "tasks": [_TASK],
            "total_count": 1,
            "limit": 50,
            "offset": 0,
            "has_more": False,
            "next_cursor": None,
        },
        "403": ANOTHER_USER,
        "400": NO_USER,
    },
    "task_intervention_summary": {
        "200": {
            "success": True,
            "user_id": "alice",
            "total": 1,
            "by_type": {"bing_insights": 1},
            "critical_failures": 1,
            "oldest_failure_hours": 15.58,
        },
        **_NO_USER,
        "404": refused("There is nothing at this path."),
    },
    "tasks_manual_trigger": {
        "202": {
            "success": True,
            "task_id": 51,
            "execution_id": 1007,
            "message": "The task will run as soon as a worker is free.",
        },
        "403": refused("This job belongs to another user."),
        "404": refused("There is no such task of this type."),
        "400": invalid("reason", "This has to be text."),
    },
}
