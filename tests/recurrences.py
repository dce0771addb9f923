"""Cron rules at random and the zones they are read in, with a reading of both that shares no code with the product."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from apps.jobs.recurrence.rules import CronRule

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# Changes of half an hour, at midnight, at :01 and :45, twice within weeks; lost days; and zones that have none.
ZONES = [
    "UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Caracas",
    "America/Havana", "America/Sao_Paulo", "America/Santiago", "Atlantic/Azores", "Africa/Cairo", "Africa/Casablanca",
    "Africa/El_Aaiun", "Antarctica/Casey", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Kolkata", "Asia/Pyongyang", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
    "Pacific/Kwajalein",
]  # fmt: skip
# Offsets were of whole minutes in all of them from then on.
SINCE = datetime(1973, 1, 1, tzinfo=UTC)
instants = st.datetimes(datetime(1973, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True)
class Change:
    """A clock that is set: the first instant after it, and by how much (below zero: back)."""

    at: datetime
    by: timedelta


@lru_cache
def changes(name: str) -> tuple[Change, ...]:
    """Those of a zone, to the minute, until 2044."""
    tz, found, low = ZoneInfo(name), [], SINCE
    while low.year < 2045:
        high = low + DAY
        if by := offset(high, tz) - offset(low, tz):
            before, after = low, high
            while after - before > MINUTE:
                middle = before + (after - before) // MINUTE // 2 * MINUTE
                before, after = (middle, after) if offset(middle, tz) == offset(low, tz) else (before, middle)
            found.append(Change(after, by))
        low = high
    return tuple(found)


def offset(instant: datetime, tz: ZoneInfo) -> timedelta:
    return instant.astimezone(tz).utcoffset() or timedelta(0)


def field(number: int) -> st.SearchStrategy[str]:
    low, high = _FIELDS[number]
    value = st.integers(low, high)
    span = st.tuples(value, value).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(1, high)
    term = st.one_of(
        value.map(str), span, st.builds("{}/{}".format, st.one_of(span, value), step), step.map("*/{}".format)
    )
    return st.one_of(st.just("*"), term, st.lists(term, min_size=2, max_size=3).map(",".join))


_weekday = st.sampled_from(_WEEKDAYS)
_nth = st.builds("{}#{}".format, st.one_of(_weekday, st.integers(0, 6)), st.integers(1, 5))
cron_expressions = st.builds(
    "{} {} {} {} {}".format,
    field(0),
    st.one_of(field(1), st.sampled_from(["0", "1,2", "2", "0-3", "23", "*"])),
    st.one_of(st.just("*"), field(2), st.just("L")),
    st.one_of(st.just("*"), field(3), st.sampled_from(_MONTHS)),
    st.one_of(st.just("*"), field(4), _weekday, _nth, st.integers(0, 6).map("{}L".format)),
)
cron_rules = st.builds(
    CronRule,
    cron_expressions,
    st.sampled_from(ZONES),
    st.sampled_from(["next_valid", "skip"]),
    st.sampled_from(["first", "both"]),
)


@st.composite
def near_changes(draw: st.DrawFn) -> tuple[CronRule, datetime]:
    """A rule and an instant within a day of a clock change of its zone, or any instant where it has none."""
    rule = draw(cron_rules)
    known = changes(rule.timezone)
    instant = draw(st.sampled_from(known)).at if known else draw(instants)
    return rule, instant + timedelta(seconds=draw(st.integers(-86_400, 86_400)))


class Reading:
    """What an expression names of a wall clock, by crontab(5) with L and # of the day fields."""

    def __init__(self, expression: str) -> None:
        self.fields = expression.split()
        minute, hour, day, _, weekday = self.fields
        self.follows_clock = minute.startswith("*") or hour.startswith("*")
        self._both_days = day.startswith("*") or weekday.startswith("*")
        self._values = [
            {value for term in text.split(",") for value in _values(term, *_FIELDS[number])}
            for number, text in enumerate(self.fields)
        ]

    def names(self, wall: datetime) -> bool:
        minutes, hours, days, months, weekdays = self._values
        if not (wall.minute in minutes and wall.hour in hours and wall.month in months):
            return False
        last = calendar.monthrange(wall.year, wall.month)[1]
        number = (wall.weekday() + 1) % 7
        on_day = wall.day in days or (self.fields[2] == "L" and wall.day == last)
        on_weekday = bool(weekdays & ({0, 7} if number == 0 else {number}))
        text = self.fields[4]
        if "#" in text:
            name, nth = text.split("#")
            on_weekday = _number(name) == number and (wall.day + 6) // 7 == int(nth)
        elif text.endswith("L"):
            on_weekday = int(text[0]) == number and wall.day + 7 > last
        return (on_day and on_weekday) if self._both_days else (on_day or on_weekday)

    def values(self, number: int) -> set[int]:
        """Of a field."""
        return self._values[number]

    def between(self, wall: datetime, until: datetime) -> bool:
        """Whether it names any reading after the one and before the other."""
        return any(self.names(wall + n * MINUTE) for n in range(1, int((until - wall) / MINUTE)))


def _values(term: str, low: int, high: int) -> range:
    if term.endswith("L") or "#" in term:
        return range(0)
    span, _, step = term.partition("/")
    first, _, last = span.partition("-")
    if span == "*":
        return range(low, high + 1, int(step or 1))
    end = _number(last) if last else high if step else _number(first)
    return range(_number(first), end + 1, int(step or 1))


def _number(name: str) -> int:
    if name in _MONTHS:
        return _MONTHS.index(name) + 1
    return _WEEKDAYS.index(name) if name in _WEEKDAYS else int(name)
