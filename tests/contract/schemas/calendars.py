"""Calendars, in whose blackouts jobs do not run."""

from tests.contract.schemas.words import COUNT, STRING, TIME, WORD, envelope, exact_object, list_of

_LOCAL = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?)?$"}
CALENDAR = exact_object(
    {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "name": WORD,
        "timezone": WORD,
        "blackouts": list_of(exact_object({"from": _LOCAL, "to": _LOCAL, "reason": STRING})),
        "jobs": COUNT,
        "version": {"type": "integer", "minimum": 1},
        "created_at": TIME,
        "updated_at": TIME,
    }
)
CALENDARS = envelope("calendars", CALENDAR)
