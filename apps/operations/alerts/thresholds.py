"""The alerts as a table for people, between two marks of docs/runbooks/alert_thresholds.md."""

from __future__ import annotations

from apps.operations.alerts.definitions import ALERTS, Alert

BEGIN = "<!-- Made by `manage.py alert_rules`. -->"
END = "<!-- Until here. -->"
_HEAD = "| alert | | fires | seen by | means |\n| --- | --- | --- | --- | --- |"


def with_table(page: str) -> str:
    """`page` with the table of today. Raises ValueError where a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"The page of thresholds must have the lines {BEGIN} and {END}.")
    rows = "\n".join(_row(alert) for alert in ALERTS)
    return f"{before}{BEGIN}\n{_HEAD}\n{rows}\n{END}{after}"


def fires(alert: Alert) -> str:
    """The condition in PromQL and how long it must hold."""
    return f"`{alert.expression}` {_for(alert.for_seconds)}"


def _row(alert: Alert) -> str:
    seen_by = "Prometheus" if alert.from_outside else "Prometheus, workers"
    name = f"[{alert.name}]({alert.runbook}.md)"
    return f"| {name} | {alert.severity} | {fires(alert)} | {seen_by} | {alert.summary} |"


def _for(seconds: int) -> str:
    if not seconds:
        return "at once"
    return f"for {seconds // 60} min" if seconds % 60 == 0 else f"for {seconds} s"
