"""Calendars: members read them, admins and owners write. That of the rows is one that no job uses."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

_CALENDAR = {
    "name": "made here",
    "blackouts": [{"from": "2026-12-24", "to": "2026-12-27", "reason": "closed"}],
}
_ABSENT = {"elsewhere": 404}

ROUTES = [
    Route("calendar-list", "GET", "calendars", shared=True),
    Route(
        "calendar-list",
        "POST",
        "calendars",
        owner=201,
        admin=201,
        elsewhere=201,
        body=_CALENDAR,
        **ADMINS_ONLY,
    ),
    Route("calendar-detail", "GET", "calendars/{calendar}", shared=True, **_ABSENT),
    Route(
        "calendar-detail", "PATCH", "calendars/{calendar}", body={"blackouts": []}, **ADMINS_ONLY, **_ABSENT
    ),
    Route(
        "calendar-detail",
        "PUT",
        "calendars/{calendar}",
        body=_CALENDAR | {"name": "replaced here"},
        **ADMINS_ONLY,
        **_ABSENT,
    ),
    Route("calendar-detail", "DELETE", "calendars/{calendar}", **ADMINS_ONLY, **_ABSENT),
]
