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
from heapq import heappop, heappush
from itertools import count, islice
from zoneinfo import ZoneInfo

from apps.jobs.recurrence.expression import calendar
from apps.jobs.recurrence.rules import (
    CronRule,
    DateRule,
    DstGap,
    DstOverlap,
    IntervalRule,
    Rule,
    Within,
    as_utc,
)
from apps.jobs.recurrence.zones import read, repeated_for, zone

DEFAULT_LIMIT = 10_000
_INSTANT = timedelta(microseconds=1)


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

    Raises ScheduleError for a cron rule whose expression or zone is not valid, ValueError for a naive
    instant.
    """
    return _first_after(rule, as_utc(instant))


def ticks_after(rule: Rule, instant: datetime) -> Iterator[datetime]:
    """All ticks strictly after `instant`, earliest first; there may be no end of them."""
    return _ticks(rule, as_utc(instant))


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
    if isinstance(rule, Within):
        after, until = _from(rule, after), min(until, rule.end or until)
        return ticks_between(rule.rule, after=after, until=until, limit=limit, tail=tail)
    if isinstance(rule, IntervalRule):
        return _interval_between(rule, after, until, tail)
    return _walk(rule, after, until, limit, tail)


def _upto(ticks: Iterator[datetime], until: datetime) -> Iterator[datetime]:
    for tick in ticks:
        if tick > until:
            return
        yield tick


def _ticks(rule: Rule, after: datetime) -> Iterator[datetime]:
    match rule:
        case CronRule():
            yield from _cron_ticks(rule, after)
        case IntervalRule():
            for index in count(_interval_index(rule, after) + 1):
                tick = _interval_tick(rule, index)
                if tick is None:
                    return
                yield tick
        case DateRule() if rule.at > after:
            yield rule.at
        case Within():
            ticks = _ticks(rule.rule, _from(rule, after))
            yield from ticks if rule.end is None else _upto(ticks, rule.end)


def _from(rule: Within, after: datetime) -> datetime:
    """After which instant the rule itself is searched: its start is a time within the window."""
    return after if rule.start is None or rule.start <= after else rule.start - _INSTANT


@lru_cache(maxsize=16_384)
def _first_after(rule: Rule, instant: datetime) -> datetime | None:
    # At midnight many jobs share few rules: the memo makes their next times one search per rule and instant.
    return next(_ticks(rule, instant), None)


@lru_cache(maxsize=1_024)
def _walk(rule: Rule, after: datetime, until: datetime, limit: int, tail: int) -> Ticks:
    # After an outage jobs that share a rule have missed the same ticks.
    first = last = None
    number = 0
    kept: deque[datetime] = deque(maxlen=tail)
    for tick in _upto(_ticks(rule, after), until):
        if number == limit:
            return Ticks(number, first, last, tuple(kept), truncated=True)
        first, last, number = first or tick, tick, number + 1
        kept.append(tick)
    return Ticks(number, first, last, tuple(kept))


def _cron_ticks(rule: CronRule, after: datetime) -> Iterator[datetime]:
    when, tz = calendar(rule.expression), zone(rule.timezone)
    gap: DstGap = "skip" if when.follows_clock else rule.dst_gap
    overlap: DstOverlap = "both" if when.follows_clock else rule.dst_overlap
    waiting: list[datetime] = []  # a heap: second copies of repeated readings come after other first copies
    previous = after
    try:
        for wall in when.walls_after(_search_from(after, tz, overlap)):
            found = _instants(wall, tz, gap, overlap)
            for instant in found:
                heappush(waiting, instant)
            # First copies ascend with their readings, so nothing still to come is earlier than this one.
            while found and waiting and waiting[0] <= found[0]:
                tick = heappop(waiting)
                if tick > previous:
                    yield tick
                    previous = tick
    except OverflowError:
        return  # the ends of the calendar
    yield from (tick for tick in sorted(waiting) if tick > previous)


def _search_from(after: datetime, tz: ZoneInfo, overlap: DstOverlap) -> datetime:
    """The wall reading after which every tick later than `after` is found."""
    local = after.astimezone(tz)
    wall = local.replace(tzinfo=None, fold=0)
    # In the first copy of a repeated hour, readings already passed are still to come once more.
    return wall - repeated_for(local) if overlap == "both" and not local.fold else wall


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
