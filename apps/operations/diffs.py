"""What a repair changes, for people's eyes: field by field, is and becomes, by tenant. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from apps.operations.reconcilers import RECONCILERS
from apps.operations.reconcilers.base import Result
from apps.operations.reports import Item, ReconcileReport

NOTHING = "none"
# Labels of the results, in the variants of Unfold.
_VARIANTS = {
    Result.FOUND: "info",
    Result.CREATED: "success",
    Result.REPAIRED: "success",
    Result.SKIPPED: "default",
    Result.FAILED: "danger",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A field as it is and as it becomes."""

    name: str
    found: str
    wanted: str

    @property
    def is_changed(self) -> bool:
        return self.found != self.wanted


@dataclass(frozen=True, slots=True)
class Row:
    """One drift on the page."""

    item: Item
    title: str
    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        return self.item.detail or self.item.drift.sentence

    @property
    def problem(self) -> str:
        return self.item.drift.problem.replace("_", " ")

    @property
    def result(self) -> str:
        return self.item.result.value

    @property
    def variant(self) -> str:
        return _VARIANTS[self.item.result]


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one tenant."""

    tenant_id: int
    tenant: str
    rows: tuple[Row, ...]


def groups_of(report: ReconcileReport, *, limit: int) -> list[Group]:
    """The first `limit` items of a report, by the short names of their tenants."""
    items = sorted(report.items[:limit], key=report.tenant_of)  # stable: as they were found
    return [
        Group(of_tenant[0].drift.tenant_id, name, tuple(map(_row, of_tenant)))
        for name, of_tenant in ((name, list(found)) for name, found in groupby(items, key=report.tenant_of))
    ]


def _row(item: Item) -> Row:
    drift = item.drift
    changes = changes_of(drift.found, drift.wanted)
    if (
        drift.object_type == "user"
    ):  # what is found there are rows by table, and what is wanted is what they get
        changes = (Change("rows with one of the ids", _listed(drift.found), _listed(drift.wanted)),)
    return Row(item, RECONCILERS[drift.kind].title, changes)


def changes_of(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Change, ...]:
    """Of every field that either has, those that change first. What is nothing and stays nothing is left out."""
    changes = [
        Change(_words(name), _text(found.get(name)), _text(wanted.get(name)))
        for name in dict.fromkeys((*found, *wanted))
        if found.get(name) is not None or wanted.get(name) is not None
    ]
    return tuple(sorted(changes, key=lambda change: not change.is_changed))


def _listed(columns: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_text(value)}" for name, value in columns.items())


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _time(value) or str(value)


def _time(value: Any) -> str | None:
    """A time as people read it; None for what is none."""
    if not isinstance(value, str) or len(value) < len("2026-01-01T00:00:00") or value[10] != "T":
        return None
    try:
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return None
