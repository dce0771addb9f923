"""The journal of that night, and its upkeep."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.logs import SUCCESS
from apps.dashboard.api.examples.refusals import ANOTHER_USER, NO_USER, invalid

_CYCLE: dict[str, Any] = {
    "id": 9117,
    "event_type": "check_cycle",
    "event_date": "2026-11-25T01:30:01.204133Z",
    "check_cycle_number": 47120,
    "check_interval_minutes": 1.0,
    "previous_interval_minutes": None,
    "new_interval_minutes": None,
    "tasks_found": 1,
    "tasks_executed": 0,
    "tasks_failed": 0,
    "tasks_by_type": {"http_request": 1},
    "check_duration_seconds": 0.004117,
    "active_strategies_count": None,
    "active_executions": None,
    "job_id": None,
    "job_type": None,
    "user_id": None,
    "event_data": {"tasks_skipped": 0},
    "error_message": None,
    "created_at": "2026-11-25T01:30:01.204133Z",
    "epoch": 7,
}
_FAILED = _CYCLE | {
    "id": 9118,
    "event_type": "job_failed",
    "event_date": "2026-11-25T01:33:05.391008Z",
    **dict.fromkeys(("check_cycle_number", "check_interval_minutes", "check_duration_seconds")),
    **dict.fromkeys(("tasks_found", "tasks_executed", "tasks_failed", "tasks_by_type")),
    "job_id": "42",
    "job_type": "http_request",
    "user_id": "alice",
    "event_data": {"job_name": "Nightly invoices", "count": 1, "consecutive_failures": 1},
    "error_message": "the server answered 503, expected 200 to 299",
    "created_at": "2026-11-25T01:33:05.391008Z",
}


def _recent(number: int, event_type: str, status: str, date: str, **more: Any) -> dict[str, Any]:
    """A line of the journal in the shape of a log, in which nothing of an execution applies."""
    of_execution = (
        "execution_time_ms",
        "scheduled_for",
        "scheduled_until",
        "run_at",
        "attempt",
        "worker",
        "kind",
        "state",
    )
    return {
        **SUCCESS,
        **dict.fromkeys(of_execution),
        "id": f"scheduler_event_{number}",
        "execution_date": date,
        "created_at": date,
        "status": status,
        "is_scheduler_log": True,
        "event_type": event_type,
        **more,
    }


_RECENT = [
    _recent(
        9118,
        "job_failed",
        "failed",
        _FAILED["event_date"],
        error_message=_FAILED["error_message"],
        result_data=_FAILED["event_data"],
    ),
    _recent(
        9104,
        "job_completed",
        "success",
        "2026-11-24T01:30:02.588415Z",
        result_data={"job_name": "Nightly invoices", "count": 1},
    ),
    _recent(
        9088,
        "job_scheduled",
        "running",
        "2026-11-23T07:30:12.640118Z",
        epoch=None,
        result_data={
            "action": "job.resume",
            "reason": "The billing service is back.",
            "job_name": "Nightly invoices",
        },
    ),
]

BODIES: dict[str, Any] = {}
ANSWERS: dict[str, dict[str, Any]] = {
    "event_history_list": {
        "200": {
            "events": [_FAILED, _CYCLE],
            "total_count": 38,
            "limit": 2,
            "offset": 0,
            "has_more": True,
            "next_cursor": "W1siMjAyNi0xMS0yNVQwMTozMDowMS4yMDQxMzMrMDA6MDAiXSw5MTE3XQ"
            "~2Qfopyj5gl34XYMDw3GSC-VxWvVlLVPb_qRn4tPEaAA",
            "date_filter": {
                "days": 7,
                "cutoff_date": "2026-11-18T08:15:00.512774Z",
                "showing_events_since": "2026-11-18T08:15:00.512774Z",
            },
        },
        "400": invalid("days", "Ensure this value is less than or equal to 90."),
        "403": ANOTHER_USER,
    },
    "recent_scheduler_logs_list": {
        "200": {
            "logs": _RECENT,
            "total_count": len(_RECENT),
            "limit": 5,
            "offset": 0,
            "has_more": False,
            "next_cursor": None,
            "is_scheduler_logs": True,
        }
    },
    "event_logs_stats": {
        "200": {
            "total_events": 118,
            "events_by_type": {
                "check_cycle": 64,
                "interval_adjustment": 2,
                "start": 3,
                "stop": 2,
                "job_scheduled": 7,
                "job_cancelled": 1,
                "job_completed": 33,
                "job_failed": 6,
            },
            "date_range": {
                "oldest_event": "2026-11-02T09:12:44.018231Z",
                "newest_event": _FAILED["event_date"],
            },
        },
        "400": NO_USER,
        "403": ANOTHER_USER,
    },
    "event_logs_cleanup": {
        "200": {
            "deleted_count": 0,
            "would_delete_count": 12,
            "oldest_kept_event": "2026-11-11T01:30:01.330921Z",
            "cutoff_date": "2026-11-11T00:00:00.000000Z",
            "dry_run": True,
        },
        "400": invalid("older_than_days", "Ensure this value is less than or equal to 365."),
    },
}
