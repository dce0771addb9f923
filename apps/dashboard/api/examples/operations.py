"""Repair: what has drifted, and what was done about it."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.refusals import invalid, refused

_TOTALS = {
    "cumulative_tasks_found": 62,
    "cumulative_tasks_executed": 51,
    "cumulative_tasks_failed": 8,
    "cumulative_tasks_skipped": 3,
}

BODIES: dict[str, Any] = {
    "reconcile": {"dry_run": False, "reason": "The database was restored from a backup."},
    "cumulative_stats_reconcile": {"dry_run": False, "reason": "Old history was imported."},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "reconcile": {
        "200": {
            "success": True,
            "kinds": ["cursors"],
            "dry_run": False,
            "found": 1,
            "created": 0,
            "repaired": 1,
            "skipped": 0,
            "failures": 0,
            "items": [
                {
                    "kind": "cursors",
                    "problem": "behind",
                    "tenant_id": 1,
                    "object_type": "job",
                    "object_id": 42,
                    "name": "Nightly invoices",
                    "sentence": "The next run is at a time that has an outcome already.",
                    "found": {"next_run_at": "2026-11-25T01:30:00+00:00", "paused_from": None},
                    "wanted": {"next_run_at": "2026-11-26T01:30:00+00:00", "paused_from": None},
                    "result": "repaired",
                    "detail": "",
                }
            ],
            "items_left_off": 0,
            "has_more": False,
            "reconciled_at": "2026-11-25T08:50:31.904417Z",
        },
        "400": invalid("reason", "A repair needs a reason."),
        "404": refused("Not found."),
    },
    "cumulative_stats_reconcile": {
        "200": {
            "success": True,
            "stats": _TOTALS,
            "before": _TOTALS | {"cumulative_tasks_found": 50, "cumulative_tasks_executed": 39},
            "drift": {
                "cumulative_tasks_found": -12,
                "cumulative_tasks_executed": -12,
                "cumulative_tasks_failed": 0,
                "cumulative_tasks_skipped": 0,
            },
            "dry_run": False,
            "reconciled_at": "2026-11-25T08:52:11.460095Z",
        },
        "400": invalid("reason", "Ensure this field has no more than 500 characters."),
    },
}
