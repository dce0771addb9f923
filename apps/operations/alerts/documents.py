"""The files that are made of the list of alerts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from apps.operations.alerts.dashboard import dashboard
from apps.operations.alerts.rules import rules
from apps.operations.alerts.thresholds import with_table

RULES = Path("docs/monitoring/prometheus-rules.yml")
DASHBOARD = Path("docs/monitoring/grafana-dashboard.json")
THRESHOLDS = Path("docs/runbooks/alert_thresholds.md")
# Of what is there now, what should be there.
DOCUMENTS: dict[Path, Callable[[str], str]] = {
    RULES: lambda _: rules(),
    DASHBOARD: lambda _: dashboard(),
    THRESHOLDS: with_table,
}


def outdated() -> dict[Path, str]:
    """By path below the project: what a file that is not as it should be should be."""
    found = {path: _read(path) for path in DOCUMENTS}
    wanted = {path: make(found[path]) for path, make in DOCUMENTS.items()}
    return {path: text for path, text in wanted.items() if text != found[path]}


def write(path: Path, text: str) -> None:
    target = Path(settings.BASE_DIR) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _read(path: Path) -> str:
    source = Path(settings.BASE_DIR) / path
    return source.read_text(encoding="utf-8") if source.exists() else ""
