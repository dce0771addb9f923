"""The alerts as Prometheus's rules."""

from __future__ import annotations

from typing import Any

import yaml

from apps.operations.alerts.definitions import ALERTS, INTERVAL_SECONDS, Alert

HEAD = "# Made by `manage.py alert_rules` of apps/operations/alerts/definitions.py. Edit that.\n"


def rules() -> str:
    group = {
        "name": "scheduler",
        "interval": f"{INTERVAL_SECONDS}s",
        "rules": [_rule(alert) for alert in ALERTS],
    }
    return HEAD + yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000)


def notes_of(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "runbook": f"docs/runbooks/{alert.runbook}.md"}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.for_seconds}s",
        "labels": {"severity": alert.severity.value},
        "annotations": notes_of(alert),
    }
