"""Which instants a job asks for, worked out anew: minute by minute for cron, arithmetic for intervals.

Deliberately slow and simple, and shares no code with `apps.jobs.recurrence`. Cron is read as Debian's cron(8) does, the
product's default: where minute or hour begins with a star the job follows the clock; otherwise a time that the spring
change leaves out runs at the first instant after it, and one that the autumn change repeats runs at its first copy.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A job's schedule as its row has it: five cron fields and a zone, or an interval and its anchor."""

    cron: str = ""
    timezone: str = "UTC"
    interval_seconds: int | None = None
    anchor: datetime | None = None


def due_between(job: Definition, after: datetime, until: datetime) -> list[datetime]:
    """Every instant in (after, until] at which `job` is due, in UTC. Raises ValueError for what it cannot read."""
    if job.interval_seconds is not None and job.anchor is not None:
        return _every(job.interval_seconds, job.anchor, after, until)
    if job.cron:
        return _by_the_minute(_Cron(job.cron), ZoneInfo(job.timezone), after, until)
    raise ValueError("only cron and interval jobs can be recomputed")


def _every(seconds: int, anchor: datetime, after: datetime, until: datetime) -> list[datetime]:
    step = timedelta(seconds=seconds)
    number = max(0, (after - anchor) // step + 1)
    ticks = []
    while (tick := anchor + number * step) <= until:
        ticks.append(tick.astimezone(UTC))
        number += 1
    return ticks


def _by_the_minute(cron: _Cron, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    ticks = []
    instant = after.astimezone(UTC).replace(second=0, microsecond=0)
    while (instant := instant + _MINUTE) <= until:
        wall = instant.astimezone(zone)
        reading = wall.replace(tzinfo=None, fold=0)
        before = (instant - _MINUTE).astimezone(zone).replace(tzinfo=None, fold=0)
        matches = cron.names(reading)
        if not cron.follows_clock:
            if wall.fold:
                matches = False  # the second copy
            skipped = before + _MINUTE
            while skipped < reading:  # what the clock jumped over
                matches = matches or cron.names(skipped)
                skipped += _MINUTE
        if matches:
            ticks.append(instant)
    return ticks


class _Cron:
    def __init__(self, expression: str) -> None:
        minute, hour, day, month, weekday = expression.upper().split()
        self._minutes = _values(minute, 0, 59)
        self._hours = _values(hour, 0, 23)
        self._months = _values(month, 1, 12, _MONTHS, first=1)
        self._last_day = day == "L"
        self._days = set() if self._last_day else _values(day, 1, 31)
        self._weekdays = {value % 7 for value in _values(weekday, 0, 7, _DAYS)}
        # crontab(5): both given, either is enough; a field that begins with a star is not "given".
        self._either_day = not day.startswith("*") and not weekday.startswith("*")
        self.follows_clock = minute.startswith("*") or hour.startswith("*")

    def names(self, wall: datetime) -> bool:
        if wall.minute not in self._minutes or wall.hour not in self._hours or wall.month not in self._months:
            return False
        of_month = wall.day in self._days
        if self._last_day:
            of_month = wall.day == monthrange(wall.year, wall.month)[1]
        of_week = wall.isoweekday() % 7 in self._weekdays
        return of_month or of_week if self._either_day else of_month and of_week


def _values(text: str, low: int, high: int, names: list[str] | None = None, *, first: int = 0) -> set[int]:
    """The numbers that one field names: `*`, `a`, `a-b`, each with `/step`, in a list."""

    def number(word: str) -> int:
        value = names.index(word) + first if names and word in names else int(word)
        if not low <= value <= high:
            raise ValueError(f"{word} is not in {low}-{high}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            start, end = low, high
        elif "-" in span:
            start, end = (number(word) for word in span.split("-"))
        else:
            start = number(span)
            end = high if step else start
        values |= set(range(start, end + 1, int(step or 1)))
    return values
