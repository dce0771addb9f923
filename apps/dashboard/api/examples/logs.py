"""Logs: one night went well, one did not."""

from __future__ import annotations

from typing import Any

from apps.dashboard import csv_rows
from apps.dashboard.api.examples.refusals import ANOTHER_USER, LIMIT, invalid, refused

_WORKER = "worker-1:211:9f3c0e"
_FAILED = "the server answered 503, expected 200 to 299"
_TASK = {
    "id": 42,
    "task_title": "Nightly invoices",
    "component_name": "http_request",
    "metric": "http_request",
    "frequency": "Every day at 02:30 (Europe/Berlin)",
}
SUCCESS: dict[str, Any] = {
    "id": 1001,
    "task_id": 42,
    "user_id": "alice",
    "execution_date": "2026-11-24T01:30:00.411620Z",
    "status": "success",
    "error_message": None,
    "execution_time_ms": 1840,
    "result_data": {
        "status": 200,
        "elapsed_ms": 1835,
        "content_type": "application/json",
        "body": '{"invoices": 118}',
        "truncated": False,
    },
    "created_at": "2026-11-24T01:30:02.258040Z",
    "task": _TASK,
    "is_scheduler_log": False,
    "event_type": None,
    "job_id": "42",
    "scheduled_for": "2026-11-24T01:30:00Z",
    "scheduled_until": "2026-11-24T01:30:00Z",
    "run_at": "2026-11-24T01:30:00Z",
    "attempt": 1,
    "epoch": 7,
    "reason": None,
    "worker": _WORKER,
    "kind": "scheduled",
    "retry_of": None,
    "count": 1,
    "state": "finished",
}
_RESULT = {
    "status": 503,
    "elapsed_ms": 96,
    "content_type": "text/plain",
    "body": "Down for maintenance.",
    "truncated": False,
}
FAILURE: dict[str, Any] = SUCCESS | {
    "id": 1002,
    "execution_date": "2026-11-25T01:33:05.017402Z",
    "status": "failed",
    "error_message": _FAILED,
    "execution_time_ms": 101,
    "result_data": _RESULT,
    "created_at": "2026-11-25T01:33:05.124460Z",
    "scheduled_for": "2026-11-25T01:30:00Z",
    "scheduled_until": "2026-11-25T01:30:00Z",
    "run_at": "2026-11-25T01:33:05Z",
    "attempt": 3,
}
_ATTEMPTS = [
    {
        "attempt": number,
        "outcome": "failed",
        "started_at": f"2026-11-25T01:{started}Z",
        "finished_at": f"2026-11-25T01:{finished}Z",
        "worker": _WORKER,
        "error_message": _FAILED,
    }
    for number, started, finished in (
        (1, "30:00.398117", "30:00.496209"),
        (2, "31:02.730945", "31:02.829370"),
        (3, "33:05.017402", "33:05.118204"),
    )
]

BODIES: dict[str, Any] = {}
ANSWERS: dict[str, dict[str, Any]] = {
    "execution_logs_list": {
        "200": {
            "logs": [FAILURE, SUCCESS],
            "total_count": 21,
            "limit": 2,
            "offset": 0,
            "has_more": True,
            "next_cursor": "W1siMjAyNi0xMS0yNFQwMTozMDowMCswMDowMCJdLDEwMDFd"
            "~rYUqzZ_sCLGuBoda6Doa_lbCuETT0RtFwLwyU8H3CGU",
            "is_scheduler_logs": False,
        },
        "400": LIMIT,
        "403": ANOTHER_USER,
    },
    "execution_logs_csv": {
        "200": csv_rows.header() + csv_rows.lines([FAILURE, SUCCESS]),
        "400": invalid("since", "Enter a valid date/time."),
        "403": ANOTHER_USER,
    },
    "execution_logs_read": {
        "200": {**FAILURE, "attempts": _ATTEMPTS, "output": {"result": _RESULT, "error_text": _FAILED}},
        "403": refused("This execution is of another user's job."),
        "404": refused("There is no such execution."),
    },
}
