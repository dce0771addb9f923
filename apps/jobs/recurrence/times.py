"""The instants a rule names.

`next_after` is strictly later than the instant asked about and the same for every instant between two ticks,
so the answer depends on the rule alone, never on where a search began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from apps.jobs.recurrence.expression import calendar
from apps.jobs.recurrence.rules import CronRule, DateRule, DstGap, DstOverlap, IntervalRule, Rule, as_utc
from apps.jobs.recurrence.zones import read, repeated_for, zone

DEFAULT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a span: how many, the first, the last, and the last few of them where asked for.

    `truncated` means that the search stopped at its limit: go on with `after=last`.
    """

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    tail: tuple[datetime, ...] = ()
    truncated: bool = False


def next_after(rule: Rule, instant: datetime) -> datetime | None:
    """The first tick strictly after `instant`, in UTC, or None where there is none.

    Raises ScheduleError for a cron rule whose expression or zone is not valid, ValueError for a naive instant.
    """
    return _memoised(rule, as_utc(instant))


def occurrences(rule: Rule, *, after: datetime, limit: int, until: datetime | None = None) -> list[datetime]:
    """Up to `limit` ticks in (after, until], earliest first."""
    ticks = _ticks(rule, as_utc(after))
    return list(islice(ticks if until is None else _upto(ticks, as_utc(until)), limit))


def ticks_between(
    rule: Rule, *, after: datetime, until: datetime, limit: int = DEFAULT_LIMIT, tail: int = 0
) -> Ticks:
    """Account for every tick in (after, until]; `tail` asks for the last so many of them.

    Intervals are arithmetic, however long the span, and never truncated. Cron rules are walked, at most
    `limit` ticks a call.
    """
    after, until = as_utc(after), as_utc(until)
    if isinstance(rule, IntervalRule):
        return _interval_between(rule, after, until, tail)
    first = last = None
    count = 0
    kept: deque[datetime] = deque(maxlen=tail)
    for tick in _upto(_ticks(rule, after), until):
        if count == limit:
            return Ticks(count, first, last, tuple(kept), truncated=True)
        first, last, count = first or tick, tick, count + 1
        kept.append(tick)
    return Ticks(count, first, last, tuple(kept))


def _upto(ticks: Iterator[datetime], until: datetime) -> Iterator[datetime]:
    for tick in ticks:
        if tick > until:
            return
        yield tick


def _ticks(rule: Rule, after: datetime) -> Iterator[datetime]:
    # Past the memo on purpose: a long walk would push out what the dispatcher is about to ask again.
    tick = _compute(rule, after)
    while tick is not None:
        yield tick
        tick = _compute(rule, tick)


def _compute(rule: Rule, instant: datetime) -> datetime | None:
    match rule:
        case CronRule():
            return _cron_after(rule, instant)
        case IntervalRule():
            return _interval_tick(rule, _interval_index(rule, instant) + 1)
        case DateRule():
            return rule.at if rule.at > instant else None
        case _:
            return None


# At midnight many jobs share few rules; the memo makes their next times one computation per rule and instant.
_memoised = lru_cache(maxsize=16_384)(_compute)


def _cron_after(rule: CronRule, instant: datetime) -> datetime | None:
    when, tz = calendar(rule.expression), zone(rule.timezone)
    gap: DstGap = "skip" if when.follows_clock else rule.dst_gap
    overlap: DstOverlap = "both" if when.follows_clock else rule.dst_overlap
    try:
        local = instant.astimezone(tz)
        wall = local.replace(tzinfo=None, fold=0)
        if overlap == "both" and not local.fold:
            # In the first copy of a repeated hour, readings already passed are still to come once more.
            wall -= repeated_for(local)
        return _earliest(when.walls_after(wall), instant, tz, gap, overlap)
    except OverflowError:
        return None  # the ends of the calendar


def _earliest(
    walls: Iterator[datetime], instant: datetime, tz: ZoneInfo, gap: DstGap, overlap: DstOverlap
) -> datetime | None:
    best: datetime | None = None
    for wall in walls:
        found = _instants(wall, tz, gap, overlap)
        later = [candidate for candidate in found if candidate > instant]
        if later and (best is None or later[0] < best):
            best = later[0]
        # First copies ascend with their readings, so nothing after this one can be earlier than `best`.
        if found and found[0] > instant:
            break
    return best


def _instants(wall: datetime, tz: ZoneInfo, gap: DstGap, overlap: DstOverlap) -> tuple[datetime, ...]:
    reading = read(wall, tz)
    if reading.resumes_at is not None:
        return (reading.resumes_at,) if gap == "next_valid" else ()
    return reading.instants if overlap == "both" else reading.instants[:1]


def _interval_index(rule: IntervalRule, instant: datetime) -> int:
    """The number of the last tick at or before `instant`, counting the anchor as 0; -1 before it."""
    return max((instant - rule.anchor) // timedelta(seconds=rule.seconds), -1)


def _interval_tick(rule: IntervalRule, index: int) -> datetime | None:
    try:
        return rule.anchor + index * timedelta(seconds=rule.seconds)
    except OverflowError:
        return None


def _interval_between(rule: IntervalRule, after: datetime, until: datetime, tail: int) -> Ticks:
    first, last = _interval_index(rule, after) + 1, _interval_index(rule, until)
    if first > last:
        return Ticks()
    step = timedelta(seconds=rule.seconds)
    kept = tuple(rule.anchor + index * step for index in range(max(first, last - tail + 1), last + 1))
    return Ticks(last - first + 1, rule.anchor + first * step, rule.anchor + last * step, kept)
