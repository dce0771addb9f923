"""Calendars: the days on which Acme's office is closed."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.refusals import LIMIT, invalid, refused

_SAID: dict[str, Any] = {
    "name": "Office closed",
    "timezone": "Europe/Berlin",
    "blackouts": [{"from": "2026-12-24T12:00:00", "to": "2026-12-27", "reason": "Christmas"}],
}
CALENDAR: dict[str, Any] = {
    "id": "3",
    **_SAID,
    "jobs": 1,
    "version": 1,
    "created_at": "2026-11-12T08:04:51.300217Z",
    "updated_at": "2026-11-12T08:04:51.300217Z",
}
_LATER = {"version": 2, "updated_at": "2026-11-25T08:40:10.116020Z"}
_LONGER = [*_SAID["blackouts"], {"from": "2026-12-31", "to": "2027-01-02", "reason": "New Year"}]
_PAGE = {"limit": 50, "offset": 0, "has_more": False, "next_cursor": None}

BODIES: dict[str, Any] = {
    "calendars_create": _SAID,
    "calendars_change": {"blackouts": _LONGER},
    "calendars_replace": _SAID | {"name": "Closed"},
}

_ADMINS = refused("Calendars are changed by admins and owners.")
_NONE = refused("There is no such calendar.")
_WRONG = invalid(
    "blackouts.0.to",
    "It has to end after it begins; the end is not part of it, so a day ends with the next.",
)
_EDIT = {"400": _WRONG, "403": _ADMINS, "404": _NONE}
ANSWERS: dict[str, dict[str, Any]] = {
    "calendars_list": {"200": {"calendars": [CALENDAR], "total_count": 1, **_PAGE}, "400": LIMIT},
    "calendars_create": {"201": CALENDAR | {"jobs": 0}, "400": _WRONG, "403": _ADMINS},
    "calendars_read": {"200": CALENDAR, "404": _NONE},
    "calendars_change": {"200": CALENDAR | _LATER | {"blackouts": _LONGER}, **_EDIT},
    "calendars_replace": {"200": CALENDAR | _LATER | {"name": "Closed"}, **_EDIT},
    "calendars_delete": {
        "200": CALENDAR | {"jobs": 0},
        "403": _ADMINS,
        "404": _NONE,
        "409": refused("1 jobs use this calendar; take it out of them first."),
    },
}
