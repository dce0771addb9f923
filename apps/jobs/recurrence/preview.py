"""What is coming, with clock changes marked, for people to see before they rely on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from apps.jobs.recurrence.expression import calendar
from apps.jobs.recurrence.rules import CronRule, Rule, bare
from apps.jobs.recurrence.times import occurrences
from apps.jobs.recurrence.wording import describe
from apps.jobs.recurrence.zones import repeated_for, zone

__all__ = ["UpcomingRun", "describe", "preview"]

Transition = Literal["gap", "overlap"]


@dataclass(frozen=True, slots=True)
class UpcomingRun:
    """One tick: `instant` in UTC, `local` as ISO 8601 with offset in the rule's zone.

    `transition` is "gap" where the run stands for a wall time that does not exist that day, "overlap" where
    its wall time comes twice that day; `note` says so in a sentence, and is empty otherwise.
    """

    instant: datetime
    local: str
    transition: Transition | None = None
    note: str = ""


def preview(rule: Rule, now: datetime, count: int, *, timezone: str = "UTC") -> list[UpcomingRun]:
    """The next `count` ticks after `now`; `timezone` shows the rules that have none of their own."""
    named = bare(rule)
    shown_in = named.timezone if isinstance(named, CronRule) else timezone
    return [_upcoming(named, tick, shown_in) for tick in occurrences(rule, after=now, limit=count)]


def _upcoming(rule: Rule, tick: datetime, shown_in: str) -> UpcomingRun:
    local = tick.astimezone(zone(shown_in))
    if not isinstance(rule, CronRule):
        return UpcomingRun(tick, local.isoformat())
    if missing := _moved_from(rule, tick, local):
        note = f"{missing:%H:%M} does not exist on {missing:%-d %B %Y}; it runs at {local:%H:%M} instead."
        return UpcomingRun(tick, local.isoformat(), "gap", note)
    if repeated_for(local):
        return UpcomingRun(tick, local.isoformat(), "overlap", _overlap_note(rule, local))
    return UpcomingRun(tick, local.isoformat())


def _moved_from(rule: CronRule, tick: datetime, local: datetime) -> datetime | None:
    """The first reading that the rule names in a gap ending at `tick`, where it moves such readings."""
    when = calendar(rule.expression)
    if when.follows_clock or rule.dst_gap == "skip":
        return None
    second = timedelta(seconds=1)
    just_before = (tick - second).astimezone(local.tzinfo).replace(tzinfo=None)
    after_gap = local.replace(tzinfo=None)
    if after_gap - just_before <= second:
        return None
    # The last existing reading is searched from, so that the gap's own first minute is found.
    wall = next(when.walls_after(just_before), None)
    return wall if wall is not None and wall < after_gap else None


def _overlap_note(rule: CronRule, local: datetime) -> str:
    twice = f"{local:%H:%M} comes twice on {local:%-d %B %Y}"
    if rule.dst_overlap == "first" and not calendar(rule.expression).follows_clock:
        return f"{twice}; it runs once, the first time."
    return f"{twice}; this is the {'second' if local.fold else 'first'} time."
