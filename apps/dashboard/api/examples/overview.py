"""The dashboard at a quarter past eight, and the scheduler behind it."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.jobs import JOB
from apps.dashboard.api.examples.platforms import BING_JOB, GSC_JOB

_TASK_TYPES = ["bing_insights", "gsc_insights", "http_check", "http_request"]
_STATS = {
    "total_checks": 16,
    "tasks_found": 9,
    "tasks_executed": 5,
    "tasks_failed": 3,
    "tasks_skipped": 0,
    "last_check": "2026-11-25T08:14:48.105518Z",
    "last_update": "2026-11-25T08:15:00.114820Z",
    "last_interval_adjustment": None,
    "active_executions": 1,
    "running": True,
    "check_interval_minutes": 1.0,
    "min_check_interval_minutes": 0.0,
    "max_check_interval_minutes": 1.0,
    "intelligent_scheduling": True,
    "active_strategies_count": 3,
    "registered_types": _TASK_TYPES,
    "cumulative_total_check_cycles": 47120,
    "cumulative_tasks_found": 62,
    "cumulative_tasks_executed": 51,
    "cumulative_tasks_failed": 8,
}
_HEALTHY = {
    "status": "healthy",
    "checks": {"database": "ok", "scheduler_leadership": "ok"},
    "leader_heartbeat_age_seconds": 0.214,
}
_NOBODY = "Nobody leads: no scheduler has shown a sign of life for 5 seconds, so nothing is dispatched."

BODIES: dict[str, Any] = {}
ANSWERS: dict[str, dict[str, Any]] = {
    "dashboard_read": {
        "200": {
            "stats": _STATS,
            "jobs": [GSC_JOB, BING_JOB, JOB],
            "job_count": 3,
            "recurring_jobs": 3,
            "one_time_jobs": 0,
            "registered_task_types": _TASK_TYPES,
            "user_isolation": {"enabled": False, "current_user_id": "alice"},
            "last_updated": "2026-11-25T08:15:00.114820Z",
        }
    },
    "pulse_read": {
        "200": {
            "token": "5f0c1d7ab9e84f26c3d1b07e",
            "running": 1,
            "waiting": 0,
            "attention": 1,
            "last_updated": "2026-11-25T08:15:00.114820Z",
        }
    },
    "status_read": {
        "200": {
            "service": "scheduler",
            "version": "0.1.0",
            "scheduler_runtime": {
                "leadership": {
                    "mode": "postgres_advisory_lock",
                    "is_leader": True,
                    "execution_enabled": True,
                    "trust_window_seconds": 5.0,
                    "epoch": 7,
                    "started_at": "2026-11-20T06:00:02.318840Z",
                    "heartbeat_at": "2026-11-25T08:14:59.902177Z",
                    "heartbeat_age_seconds": 0.213,
                }
            },
        }
    },
    "usage_read": {
        "200": {
            "plan": "standard",
            "jobs": {"limit": 1000, "used": 3},
            "concurrency": {"limit": 50, "used": 1},
            "executions_per_minute": {"limit": None, "used": 4, "resets_at": "2026-11-25T08:16:00Z"},
            "executions_per_day": {"limit": 10000, "used": 412, "resets_at": "2026-11-26T00:00:00Z"},
        }
    },
    "health_read": {
        "200": _HEALTHY,
        "503": {
            "status": "unhealthy",
            "checks": {"database": "ok", "scheduler_leadership": _NOBODY},
            "leader_heartbeat_age_seconds": 41.806,
        },
    },
}
