"""Counting the ticks of a long span without walking it: a year of a rule that fires each minute takes milliseconds.

What a cron expression names of a day's clock is the same on every day that it names at all, and on a day without a
clock change each reading is one instant. So one such day is walked, the others are recognised, and only days around a
clock change are walked like any span.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.jobs.recurrence.expression import Calendar, calendar
from apps.jobs.recurrence.rules import CronRule, Rule, Within, as_utc
from apps.jobs.recurrence.times import next_after, ticks_between
from apps.jobs.recurrence.zones import zone

_INSTANT, _DAY = timedelta(microseconds=1), timedelta(days=1)
_WALKED = 4 * _DAY  # so short a span is not worth the trouble
# Where a day's clock is looked at; zones have kept an offset for weeks at least. The instant before midnight belongs to
# it: what a gap swallows there fires at midnight.
_LOOKS = (-_INSTANT, *(timedelta(hours=hours) for hours in (0, 6, 12, 18, 24)))


@dataclass(frozen=True, slots=True)
class Counted:
    """How many ticks, the first and the last."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None


def count_between(rule: Rule, *, after: datetime, until: datetime) -> Counted:
    """Every tick in (after, until]. Raises ScheduleError, ValueError."""
    after, until = as_utc(after), as_utc(until)
    if isinstance(rule, Within):
        after = after if rule.start is None else max(after, rule.start - _INSTANT)
        return count_between(rule.rule, after=after, until=min(until, rule.end or until))
    if isinstance(rule, CronRule) and until - after > _WALKED:
        return _by_days(rule, after, until)
    return _walked(rule, after, until)


def _walked(rule: Rule, after: datetime, until: datetime) -> Counted:
    count, first, last = 0, None, None
    while after < until:
        ticks = ticks_between(rule, after=after, until=until)
        count, first, last = count + ticks.count, first or ticks.first, ticks.last or last
        if not ticks.truncated or last is None:
            break
        after = last
    return Counted(count, first, last)


def _by_days(rule: CronRule, after: datetime, until: datetime) -> Counted:
    first = next_after(rule, after)
    if first is None or first > until:
        return Counted()
    tz, total, last_span = zone(rule.timezone), 0, (after, until)
    per_day: int | None = None
    for low, high, named in _spans(calendar(rule.expression), tz, after, until):
        if named and per_day is not None:
            count = per_day
        else:
            count = _walked(rule, low, high).count
            per_day = count if named else per_day
        if count:
            total, last_span = total + count, (low, high)
    return Counted(total, first, _walked(rule, *last_span).last)


def _spans(
    when: Calendar, tz: ZoneInfo, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime, bool]]:
    """(low, high], in order, of all that may hold ticks; with whether it is a whole day, named and without a clock
    change.
    """
    day, end = after.astimezone(tz).date() + _DAY, until.astimezone(tz).date()
    low, next_named = after, date.min
    while day < end:
        if _is_even(day, tz):
            start, over = _before(day, tz), _before(day + _DAY, tz)
            if low < start:
                yield low, start, False
            if next_named < day:
                wall = next(when.walls_after(datetime.combine(day, time()) - timedelta(seconds=1)), None)
                next_named = date.max if wall is None else wall.date()
            if next_named == day:
                yield start, over, True
            low = over
        day += _DAY
    yield low, until, False


def _is_even(day: date, tz: ZoneInfo) -> bool:
    """Whether each reading of the day's clock is one instant, and nothing of the day before fires in it."""
    looks = [datetime.combine(day, time(), tz) + look for look in _LOOKS]
    return len({look.utcoffset() for look in looks}) == 1


def _before(day: date, tz: ZoneInfo) -> datetime:
    """The instant before the day begins."""
    return datetime.combine(day, time(), tz).astimezone(UTC) - _INSTANT
