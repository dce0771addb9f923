"""Acme's last two hours, and the next one: thirty jobs on the hour."""

from __future__ import annotations

from typing import Any

_QUIET = [0] * 60

BODIES: dict[str, Any] = {}
ANSWERS: dict[str, dict[str, Any]] = {
    "insights_hours_read": {
        "200": {
            "hours": [
                {
                    "hour": "2026-11-25T07:00:00Z",
                    "succeeded": 31,
                    "failed": 2,
                    "skipped": 1,
                    "lag_ms": {"p50": 12, "p99": 240},
                    "duration_ms": {"p50": 310, "p99": 4180},
                    "sampled": False,
                },
                {
                    "hour": "2026-11-25T08:00:00Z",
                    "succeeded": 0,
                    "failed": 0,
                    "skipped": 0,
                    "lag_ms": None,
                    "duration_ms": None,
                    "sampled": False,
                },
            ],
            "totals": {"succeeded": 31, "failed": 2, "skipped": 1},
            "last_updated": "2026-11-25T08:15:00.114820Z",
        }
    },
    "insights_forecast_read": {
        "200": {
            "from": "2026-11-25T08:16:00Z",
            "minutes": [*_QUIET[:44], 30, *_QUIET[45:]],
            "flattened": [*_QUIET[:44], *[3] * 10, *_QUIET[54:]],
            "suggested_jitter_seconds": 600,
            "peak": {"at": "2026-11-25T09:00:00Z", "count": 30},
            "flattened_peak": {"at": "2026-11-25T09:00:00Z", "count": 3},
            "total": 30,
            "jobs": 33,
            "left_out": 0,
            "options": [
                {"jitter_seconds": 0, "peak": 30},
                {"jitter_seconds": 60, "peak": 30},
                {"jitter_seconds": 300, "peak": 6},
                {"jitter_seconds": 600, "peak": 3},
                {"jitter_seconds": 900, "peak": 2},
                {"jitter_seconds": 1800, "peak": 1},
                {"jitter_seconds": 3600, "peak": 1},
            ],
        }
    },
}
