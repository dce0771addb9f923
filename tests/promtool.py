"""Prometheus's own judge of rules, and a scenario for each alert: all is well, then it is not, then it is again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.operations.alerts.definitions import ALERTS, INTERVAL_SECONDS, Alert
from apps.operations.alerts.measures import Absent, Largest, Share
from apps.operations.alerts.rules import notes_of

QUIET = 600  # seconds before the condition holds
LONGER = 300  # for which it goes on to hold once the alert fires


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return subprocess.run(
        [tool, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def scenarios(rules: Path) -> str:
    """A file for `promtool test rules`."""
    return yaml.safe_dump(
        {
            "rule_files": [str(rules)],
            "evaluation_interval": f"{INTERVAL_SECONDS}s",
            "tests": [_scenario(alert) for alert in ALERTS],
        },
        sort_keys=False,
    )


def figures(alert: Alert, *, bad: bool) -> dict[str, float]:
    """Samples with which the condition just holds, or just does not."""
    measure, threshold = alert.measure, alert.threshold
    if isinstance(measure, Largest):
        if alert.comparison == "<":
            return {measure.name: threshold - 1 if bad else threshold}
        beyond = threshold + 1 if alert.comparison == ">" else threshold
        return {measure.name: beyond if bad else beyond - 1}
    assert isinstance(measure, Share)
    assert alert.comparison == ">"
    part = threshold * 100 + (1 if bad else 0)
    others = [name for name in measure.whole if name != measure.part]
    rest = 100 - part if measure.part in measure.whole else 100
    return {measure.part: part} | {name: rest / len(others) for name in others}


def _scenario(alert: Alert) -> dict[str, Any]:
    begins = QUIET + alert.for_seconds
    over = begins + LONGER
    fires = {"exp_labels": {"severity": alert.severity.value}, "exp_annotations": notes_of(alert)}
    looks = [
        (QUIET - INTERVAL_SECONDS, []),
        (begins, [fires]),
        (over - INTERVAL_SECONDS, [fires]),
        (over, []),
    ]
    if alert.for_seconds:
        looks.append((begins - INTERVAL_SECONDS, []))
    return {
        "name": alert.name,
        "interval": f"{INTERVAL_SECONDS}s",
        "input_series": _series(alert),
        "alert_rule_test": [
            {"eval_time": f"{at}s", "alertname": alert.name, "exp_alerts": expected} for at, expected in looks
        ],
    }


def _series(alert: Alert) -> list[dict[str, str]]:
    """Two web processes tell the same."""
    before, during = QUIET // INTERVAL_SECONDS, (alert.for_seconds + LONGER) // INTERVAL_SECONDS
    if isinstance(alert.measure, Absent):  # a scrape that fails ends a series at once
        values = {alert.measure.name: f"1x{before - 1} stale _x{during - 1} 1x20"}
    else:
        good, bad = figures(alert, bad=False), figures(alert, bad=True)
        values = {
            name: f"{good[name]}x{before - 1} {bad[name]}x{during - 1} {good[name]}x20" for name in good
        }
    return [
        {"series": _of(name, instance), "values": told}
        for name, told in values.items()
        for instance in ("a", "b")
    ]


def _of(name: str, instance: str) -> str:
    bare, _, labels = name.partition("{")
    return f'{bare}{{instance="{instance}"' + (f",{labels}" if labels else "}")
