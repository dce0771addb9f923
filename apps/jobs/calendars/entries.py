"""A calendar's entries: local times as people write them, and the instants that these cover.

A wall clock in summer time plays two tricks, and both are taken for the longer blackout that a person would expect: a
time that the clock leaves out is the first instant after it; of a time that it shows twice a blackout begins with the
first and ends with the second.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from apps.jobs.plans import Blackout
from apps.jobs.recurrence.zones import read, zone
from apps.jobs.specs import JobRefused

MAX_ENTRIES = 1_000
MAX_REASON = 200
_KEYS = frozenset({"from", "to", "reason"})
_MAX_TEXT = 32
_YEARS = range(1970, 9000)  # instants near them stay within the calendar, whatever the zone
_FORM = "Use a local date or time without an offset, such as 2026-12-24 or 2026-12-24T18:00."


def blackouts_of(name: str, timezone: str, entries: Iterable[Mapping[str, str]]) -> tuple[Blackout, ...]:
    """What a calendar covers, ascending and without overlaps: where entries overlap, the one that began first counts.

    Raises ScheduleError for a zone that no longer exists.
    """
    rows = tuple((entry["from"], entry["to"], entry.get("reason", "")) for entry in entries)
    return _worked_out(name, timezone, rows)


@lru_cache(maxsize=512)
def _worked_out(name: str, timezone: str, rows: tuple[tuple[str, str, str], ...]) -> tuple[Blackout, ...]:
    tz = zone(timezone)
    spans = sorted((_instant(start, tz, 0), _instant(end, tz, -1), reason) for start, end, reason in rows)
    found: list[Blackout] = []
    for start, end, reason in spans:
        start = max(start, found[-1].end) if found else start
        if start < end:
            found.append(Blackout(start, end, _detail(name, reason)))
    return tuple(found)


def reaching(blackouts: tuple[Blackout, ...], start: datetime, until: datetime) -> tuple[Blackout, ...]:
    """Those that cover any of [start, until]."""
    low = bisect_right(blackouts, start, key=lambda blackout: blackout.end)
    return blackouts[low : bisect_right(blackouts, until, key=lambda blackout: blackout.start)]


def covering(blackouts: tuple[Blackout, ...], instant: datetime) -> Blackout | None:
    """The one that covers `instant`."""
    found = reaching(blackouts, instant, instant)
    return found[0] if found else None


def canonical_entries(given: Any) -> list[dict[str, str]]:
    """The entries as they are stored, in the order given. Raises JobRefused with a sentence by path."""
    if not isinstance(given, list | tuple):
        raise JobRefused({"blackouts": "This has to be a list of objects with from, to and reason."})
    if len(given) > MAX_ENTRIES:
        raise JobRefused({"blackouts": f"At most {MAX_ENTRIES:,} entries; this has {len(given):,}."})
    entries: list[dict[str, str]] = []
    errors: dict[str, str] = {}
    for index, entry in enumerate(given):
        try:
            entries.append(_entry(entry))
        except JobRefused as error:
            errors |= {f"blackouts.{index}.{name}".rstrip("."): text for name, text in error.errors.items()}
    if errors:
        raise JobRefused(dict(list(errors.items())[:20]))
    return entries


def _entry(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise JobRefused({"": "This has to be an object with from, to and reason."})
    if not set(given) <= _KEYS:
        raise JobRefused({"": "It has from, to and reason, and nothing else."})
    errors: dict[str, str] = {}
    ends: dict[str, date] = {}
    for name in ("from", "to"):
        try:
            ends[name] = _local(given.get(name))
        except ValueError as error:
            errors[name] = str(error)
    reason = given.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON or not reason.isprintable():
        errors["reason"] = f"Use at most {MAX_REASON} printable characters."
    if not errors and _wall(ends["from"]) >= _wall(ends["to"]):
        errors["to"] = (
            "It has to end after it begins; the end is not part of it, so a day ends with the next."
        )
    if errors:
        raise JobRefused(errors)
    return {"from": ends["from"].isoformat(), "to": ends["to"].isoformat(), "reason": reason.strip()}


def _local(given: Any) -> date:
    """A date, or a datetime (which is one) without a zone. Raises ValueError with a sentence."""
    if not isinstance(given, str) or len(given) > _MAX_TEXT:
        raise ValueError(_FORM)
    try:
        found = date.fromisoformat(given) if len(given) <= 10 else datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(_FORM) from None
    if isinstance(found, datetime) and found.tzinfo is not None:
        raise ValueError(f"Leave out the offset: times are local to the calendar's zone. {_FORM}")
    if found.year not in _YEARS:
        raise ValueError(f"Use a year from {_YEARS.start} to {_YEARS.stop - 1}.")
    return found


def _wall(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time())


def _instant(text: str, tz: ZoneInfo, copy: int) -> datetime:
    reading = read(_wall(_local(text)), tz)
    return reading.resumes_at or reading.instants[copy]


def _detail(name: str, reason: str) -> str:
    return f"Calendar “{name}”: {reason.rstrip('.')}." if reason else f"Calendar “{name}”."


def difference(before: Iterable[Mapping[str, str]], after: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Which entries an edit took away and which it added, for the audit trail."""
    old, new = list(before), list(after)
    return {
        "removed": [entry for entry in old if entry not in new],
        "added": [entry for entry in new if entry not in old],
    }
