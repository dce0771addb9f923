"""The four kinds of rule, and a window around any of them. Frozen and hashable: equal rules share one memo entry,
whoever owns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

DstGap = Literal["next_valid", "skip"]
DstOverlap = Literal["first", "both"]


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive datetime: guessing its zone would move it."""
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a UTC offset")
    return instant.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class CronRule:
    """Five canonical cron fields read on the wall clock of an IANA zone.

    The defaults for clock changes are Debian cron's. A fixed time that a change leaves out runs at the first
    instant after it (`next_valid`) or not at all (`skip`). A fixed time that comes twice runs at the first
    copy (`first`) or at both (`both`). Where the minute or the hour field starts with a star the rule simply
    follows the clock, and neither setting matters.
    """

    expression: str
    timezone: str
    dst_gap: DstGap = "next_valid"
    dst_overlap: DstOverlap = "first"


@dataclass(frozen=True, slots=True)
class IntervalRule:
    """Every `seconds`, counted from `anchor`, which is itself the first tick; elapsed time, so no zone."""

    seconds: int
    anchor: datetime

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError("an interval is at least one second")
        object.__setattr__(self, "anchor", as_utc(self.anchor))


@dataclass(frozen=True, slots=True)
class DateRule:
    """Once, at an instant."""

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", as_utc(self.at))


@dataclass(frozen=True, slots=True)
class ManualRule:
    """Never by the clock; only when somebody asks."""


BareRule = CronRule | IntervalRule | DateRule | ManualRule


@dataclass(frozen=True, slots=True)
class Within:
    """The times of `rule` from `start` to `end`, both included; None is no bound, and one of them is given."""

    rule: BareRule
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is not None:
            object.__setattr__(self, "start", as_utc(self.start))
        if self.end is not None:
            object.__setattr__(self, "end", as_utc(self.end))


Rule = BareRule | Within


def bare(rule: Rule) -> BareRule:
    """The rule without its window."""
    return rule.rule if isinstance(rule, Within) else rule


def within(rule: BareRule, start: datetime | None, end: datetime | None) -> Rule:
    """The rule with that window, if it is one. Triggers without times have no window either."""
    if isinstance(rule, ManualRule) or (start is None and end is None):
        return rule
    return Within(rule, start, end)
