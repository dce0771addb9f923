"""IANA zones: a name to a zone, and a wall clock reading to the instants it names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from apps.jobs.recurrence.errors import ScheduleError

MAX_NAME_LENGTH = 64
# Both are files of the zone database but name no place: one is whatever this machine is set to.
_NOT_PLACES = frozenset({"localtime", "Factory"})


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_PLACES


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone called `name`, spelled exactly as IANA spells it.

    Raises ScheduleError("timezone") for anything else, paths and look-alikes included; only names of the
    zone database ever reach the file system.
    """
    if not name:
        raise ScheduleError("timezone", "A time zone is needed, such as Europe/Berlin or UTC.")
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ScheduleError("timezone", "That is not the name of a time zone, such as Europe/Berlin or UTC.")
    if name not in _names():
        raise ScheduleError("timezone", f"There is no time zone “{name}”.{_suggestion(name)}")
    return ZoneInfo(name)


def _suggestion(name: str) -> str:
    by_folded = {known.casefold(): known for known in _names()}
    close = get_close_matches(name.casefold().replace(" ", "_"), by_folded, n=1, cutoff=0.75)
    return f" Did you mean {by_folded[close[0]]}?" if close else " Use a name such as Europe/Berlin or UTC."


@dataclass(frozen=True, slots=True)
class Reading:
    """What a naive wall clock reading names in a zone.

    `instants` holds one instant, two where the clock was set back over it, none where it was set forward
    past it; `resumes_at` is then the first instant after the jump.
    """

    instants: tuple[datetime, ...]
    resumes_at: datetime | None = None


def read(wall: datetime, tz: ZoneInfo) -> Reading:
    """The instants at which a clock in `tz` shows `wall` (naive)."""
    early, late = wall.replace(tzinfo=tz, fold=0), wall.replace(tzinfo=tz, fold=1)
    before, after = _offset(early), _offset(late)
    if before == after:
        return Reading(((wall - before).replace(tzinfo=UTC),))
    if before > after:
        return Reading(((wall - before).replace(tzinfo=UTC), (wall - after).replace(tzinfo=UTC)))
    return Reading((), _jump((wall - after).replace(tzinfo=UTC), (wall - before).replace(tzinfo=UTC), tz))


def repeated_for(local: datetime) -> timedelta:
    """How long the wall clock repeats around `local` (aware): zero unless its reading comes twice."""
    return max(_offset(local.replace(fold=0)) - _offset(local.replace(fold=1)), timedelta(0))


def _jump(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the offset of `tz` changes; whole seconds, as all offsets are."""
    before = _offset(low.astimezone(tz))
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _offset(middle.astimezone(tz)) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    if offset is None:
        raise ValueError("a local time needs its zone")
    return offset
