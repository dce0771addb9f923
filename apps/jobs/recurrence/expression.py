"""Cron text: five fields or a macro, brought to one canonical form, and the calendar it describes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

from apps.jobs.recurrence.errors import ScheduleError

MAX_LENGTH = 256
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# A range of one value, whatever its step, is that value. The library takes it for "from there on, by steps".
_ONE_VALUE = re.compile(r"(?<![^ ,])(\w+)-\1/0*[1-9]\d*(?![^ ,])")
_ANY_WALL = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock reading has no zone
# cronsim's name of a field → ours, and what may stand in it.
_FIELDS = {
    "minute": ("minute", "0 to 59"),
    "hour": ("hour", "0 to 23"),
    "day-of-month": ("day of month", "1 to 31, or L for the last day"),
    "month": ("month", "1 to 12 or JAN to DEC"),
    "day-of-week": ("day of week", "0 to 7 (0 and 7 are Sunday) or SUN to SAT"),
}


def canonical(text: str) -> str:
    """Five upper-case fields with single spaces; macros expanded.

    Raises ScheduleError("cron_expression"); its sentence repeats a short field of the input at most.
    """
    if len(text) > MAX_LENGTH:
        raise _refused(f"A cron expression has at most {MAX_LENGTH} characters; this one has {len(text):,}.")
    # Checked before splitting: str.split() would take a NUL's neighbours apart or merge odd spaces silently.
    if any(not (" " <= character <= "~" or character == "\t") for character in text):
        raise _refused("A cron expression is plain ASCII text; this one has other characters in it.")
    fields = text.split()
    if not fields:
        raise _refused("A cron expression is needed: five fields such as “30 2 * * *”, or @daily.")
    if fields[0].startswith("@"):
        return _expand(fields)
    if len(fields) != 5:
        hint = " Seconds and years are not supported." if len(fields) in (6, 7) else ""
        raise _refused(f"A cron expression has exactly five fields; this one has {len(fields)}.{hint}")
    expression = " ".join(fields).upper()
    calendar(expression)
    return expression


def _expand(fields: list[str]) -> str:
    macro = fields[0].lower()
    if macro == "@reboot":
        raise _refused("@reboot is not supported: there is no machine here whose start could run the job.")
    if macro not in MACROS or len(fields) > 1:
        raise _refused(f"“{_short(' '.join(fields))}” is no known shorthand; there are {', '.join(MACROS)}.")
    return MACROS[macro]


class Calendar:
    """The wall clock readings that an expression names, without any zone."""

    def __init__(self, expression: str) -> None:
        """Raises CronSimError where `expression` does not parse or names a date no month has."""
        if len(expression.split()) != 5:
            # The library would take six and read the first as seconds.
            raise CronSimError("Wrong number of fields")
        # A naive start makes the library do calendar arithmetic only; clock changes are ours, in `times`,
        # because its own handling depends on where the search starts (and may answer with a past instant).
        self._start = CronSim(_ONE_VALUE.sub(r"\1", expression), _ANY_WALL)
        minute, hour = expression.split()[:2]
        self.follows_clock = minute.startswith("*") or hour.startswith("*")

    def walls_after(self, wall: datetime) -> Iterator[datetime]:
        """Naive readings strictly after `wall`, ascending; ends where none follows within fifty years."""
        search = copy.copy(self._start)
        search.dt = wall.replace(microsecond=0)
        try:
            yield from search
        except (OverflowError, ValueError):
            return  # past the year 9999


@lru_cache(maxsize=4096)
def calendar(expression: str) -> Calendar:
    """The calendar of a canonical expression. Raises ScheduleError("cron_expression")."""
    try:
        return Calendar(expression)
    except (CronSimError, AssertionError, ValueError) as error:
        raise _refused(_reason(expression.split(), str(error))) from None


def _reason(fields: list[str], error: str) -> str:
    name = error.removeprefix("Bad ")
    if name not in _FIELDS or len(fields) != 5:
        return "This is not a cron expression: five fields such as “30 2 * * *”, or @daily."
    label, allowed = _FIELDS[name]
    value = fields[list(_FIELDS).index(name)]
    if name == "day-of-month" and _stands_alone(value, position=2):
        return f"It would never run: no month it names has a day {_short(value)}."
    if "~" in value:
        return f"The {label} field “{_short(value)}” asks for a random value; name the {label} instead."
    use = f"{allowed}, with lists, ranges and steps such as */2"
    return f"The {label} field “{_short(value)}” is not valid: {use}."


def _stands_alone(value: str, *, position: int) -> bool:
    """Whether a field parses when every other field is a star."""
    fields = ["*"] * 5
    fields[position] = value
    try:
        CronSim(" ".join(fields), _ANY_WALL)
    except (CronSimError, AssertionError, ValueError):
        return False
    return True


def _short(value: str) -> str:
    return value if len(value) <= 24 else value[:23] + "…"


def _refused(sentence: str) -> ScheduleError:
    return ScheduleError("cron_expression", sentence)
