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
    "reconcile_all": {
        "kinds": ["cursors", "stuck_executions"],
        "dry_run": True,
        "reason": "No leader for an hour.",
    },
    "reconcile": {"dry_run": False, "reason": "The database was restored from a backup."},
    "cumulative_stats_reconcile": {"dry_run": False, "reason": "Old history was imported."},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "reconcile_all": {
        "200": {
            "success": True,
            "kinds": ["cursors", "stuck_executions"],
            "dry_run": True,
            "found": 1,
            "created": 0,
            "repaired": 0,
            "skipped": 0,
            "failures": 0,
            "items": [
                {
                    "kind": "stuck_executions",
                    "problem": "lease_expired",
                    "tenant_id": 1,
                    "tenant": "acme",
                    "object_type": "execution",
                    "object_id": 90210,
                    "name": "Nightly invoices at 2026-11-25 01:30:00",
                    "sentence": "Its lease ran out more than a minute ago, and no leader took it back.",
                    "found": {
                        "state": "leased",
                        "attempt": 1,
                        "run_at": "2026-11-25T01:30:00+00:00",
                        "worker": "w-7:31:9c41d0",
                        "lease_expires_at": "2026-11-25T01:31:07.120030+00:00",
                    },
                    "wanted": {
                        "state": "pending",
                        "attempt": 1,
                        "run_at": "2026-11-25T01:30:00+00:00",
                        "worker": None,
                        "lease_expires_at": None,
                    },
                    "result": "found",
                    "detail": "",
                }
            ],
            "items_left_off": 0,
            "has_more": False,
            "reconciled_at": "2026-11-25T02:41:09.004417Z",
        },
        "400": invalid("reason", "A repair needs a reason."),
    },
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
                    "tenant": "acme",
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
