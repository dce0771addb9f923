"""Instants and ranges of time that a request names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.tenants.api.errors import InvalidFields

_YEARS = range(1970, 9000)  # what is to be worked out near them stays within the calendar
_FORM = "Use ISO 8601 with an offset, such as 2026-03-08T02:30:00Z."


def instant_of(field: str, value: object) -> datetime:
    """Raises InvalidFields."""
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        # A plus that was not escaped arrives as a space.
        moment = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
    except ValueError:
        raise InvalidFields({field: _FORM}) from None
    if moment.tzinfo is None:
        raise InvalidFields({field: f"The offset is missing. {_FORM}"})
    if moment.year not in _YEARS:
        raise InvalidFields({field: f"Use a year from {_YEARS.start} to {_YEARS.stop - 1}."})
    return moment.astimezone(UTC)


def range_of(start: object, until: object, longest: timedelta) -> tuple[datetime, datetime]:
    """The range from `from` to `to`, both included. Raises InvalidFields."""
    if missing := {name for name, value in (("from", start), ("to", until)) if value in (None, "")}:
        raise InvalidFields(dict.fromkeys(sorted(missing), "Both ends of the range are needed."))
    first, last = instant_of("from", start), instant_of("to", until)
    if first > last:
        raise InvalidFields({"from": "The range has to begin before it ends."})
    if last - first > longest:
        raise InvalidFields({"to": f"A range may be {longest.days} days long at most."})
    return first, last
