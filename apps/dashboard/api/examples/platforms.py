"""Platforms: Alice has connected her shop's search consoles."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.jobs import JOB
from apps.dashboard.api.examples.logs import SUCCESS
from apps.dashboard.api.examples.refusals import ANOTHER_USER, LIMIT, NO_USER, invalid, refused

_GSC = {
    "platform": "gsc",
    "title": "Google Search Console",
    "task_type": "gsc_insights",
    "user_id": "alice",
    "status": "connected",
    "label": "Our shop",
    "settings": {"site": "https://shop.acme.example"},
    "has_credentials": True,
    "credentials_updated_at": "2026-11-10T09:58:21.090144Z",
    "created_at": "2026-11-10T09:58:21.083310Z",
    "updated_at": "2026-11-10T09:58:21.090144Z",
}
_BING = _GSC | {
    "platform": "bing",
    "title": "Bing Webmaster Tools",
    "task_type": "bing_insights",
    "credentials_updated_at": "2026-11-06T16:38:02.118776Z",
    "created_at": "2026-11-06T16:38:02.111905Z",
    "updated_at": "2026-11-06T16:38:02.118776Z",
}
_MONITOR = JOB | {
    "trigger_type": "IntervalTrigger",
    "frequency": "Every 24 hours",
    "task_category": "platform_insights",
    "timezone": "UTC",
    "policies": JOB["policies"] | {"max_attempts": 1, "retry_delay_seconds": 10},
    "version": 1,
}
GSC_JOB: dict[str, Any] = _MONITOR | {
    "id": "57",
    "name": "Google Search Console insights",
    "next_run_time": "2026-11-25T10:00:05Z",
    "function_name": "gsc_insights",
    "platform": "gsc",
    "task_id": 57,
    "task_type": "gsc_insights",
    "target": "gsc_insights",
    "trigger": {"type": "interval", "interval_seconds": 86400, "anchor_at": "2026-11-10T10:00:05Z"},
    "payload": {"platform": "gsc"},
    "last_success": "2026-11-24T10:00:06.480022Z",
    "last_failure": None,
    "failure_reason": None,
    "consecutive_failures": 0,
    "created_at": "2026-11-10T10:00:05.662109Z",
    "updated_at": "2026-11-10T10:00:05.662109Z",
}
BING_JOB: dict[str, Any] = _MONITOR | {
    "id": "51",
    "name": "Bing Webmaster Tools insights",
    "next_run_time": "2026-11-25T16:40:19Z",
    "function_name": "bing_insights",
    "platform": "bing",
    "task_id": 51,
    "task_type": "bing_insights",
    "target": "bing_insights",
    "status": "needs_intervention",
    "trigger": {"type": "interval", "interval_seconds": 86400, "anchor_at": "2026-11-06T16:40:19Z"},
    "payload": {"platform": "bing"},
    "last_success": "2026-11-19T16:40:20.230178Z",
    "last_failure": "2026-11-24T16:40:19.502813Z",
    "failure_reason": "the server answered 500, expected 200 to 299",
    "consecutive_failures": 5,
    "created_at": "2026-11-06T16:40:19.207741Z",
    "updated_at": "2026-11-06T16:40:19.207741Z",
}
_LOG = SUCCESS | {
    "id": 1000,
    "task_id": 57,
    "execution_date": "2026-11-24T10:00:05.318790Z",
    "execution_time_ms": 1161,
    "result_data": {"clicks": 1240, "impressions": 38104},
    "created_at": "2026-11-24T10:00:06.487216Z",
    "task": {
        "id": 57,
        "task_title": "Google Search Console insights",
        "component_name": "gsc_insights",
        "metric": "gsc_insights",
        "frequency": "Every 24 hours",
    },
    "job_id": "57",
    "scheduled_for": "2026-11-24T10:00:05Z",
    "scheduled_until": "2026-11-24T10:00:05Z",
    "run_at": "2026-11-24T10:00:05Z",
}
_PAGE = {"limit": 50, "offset": 0, "has_more": False, "next_cursor": None}

BODIES: dict[str, Any] = {
    "platform_insights_reconcile": {"reason": "A new platform is connected."},
}

_USER = {"403": ANOTHER_USER, "400": NO_USER}
_OF_USER = {**_USER, "404": refused("There is nothing at this path.")}
_NOT_CONNECTED = {**_USER, "404": refused("This platform is not connected.")}
_AGAIN = {
    "credentials_updated_at": "2026-11-25T08:31:40.772016Z",
    "updated_at": "2026-11-25T08:31:40.772016Z",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "connections_list": {
        "200": {"connections": [_GSC, _BING], "total_count": 2, **_PAGE},
        "403": ANOTHER_USER,
        "400": LIMIT,
    },
    "connections_read": {"200": _GSC, **_NOT_CONNECTED},
    "connections_put": {
        "200": _GSC | _AGAIN,
        "201": _GSC,
        "403": ANOTHER_USER,
        "404": refused("There is no such platform; use one of bing, gsc."),
        "400": invalid("credentials", "These are needed to connect a platform."),
    },
    "connections_delete": {
        "200": _BING | {"status": "disconnected", "updated_at": "2026-11-25T08:32:05.100934Z"},
        **_NOT_CONNECTED,
    },
    "platform_insights_status": {
        "200": {
            "user_id": "alice",
            "tasks": [BING_JOB, GSC_JOB],
            "total_tasks": 2,
            "active_tasks": 1,
            "paused_tasks": 0,
            "failed_tasks": 1,
            "connected_platforms": ["bing", "gsc"],
            "missing_platforms": [],
            "last_updated": "2026-11-25T08:15:00.377145Z",
        },
        **_OF_USER,
    },
    "platform_insights_reconcile": {
        "200": {
            "success": True,
            "user_id": "alice",
            "connected_insights_platforms": ["bing", "gsc"],
            "created_platforms": ["gsc"],
            "skipped_platforms": ["bing"],
            "resumed_platforms": [],
            "failures": [],
            "details": [{"platform": "bing", "reason": "It has a job already."}],
            "auditable": True,
            "reconciled_at": "2026-11-10T10:00:05.670288Z",
        },
        **_OF_USER,
    },
    "platform_insights_logs": {
        "200": {"success": True, "logs": [_LOG], "total_count": 1, **_PAGE},
        **_OF_USER,
        "400": LIMIT,
    },
}
