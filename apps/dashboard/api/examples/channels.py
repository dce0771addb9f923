"""Notification channels: Acme's people on call hear of what fails."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.refusals import LIMIT, invalid, refused

_SAID: dict[str, Any] = {
    "name": "On call",
    "kind": "webhook",
    "events": ["failure", "recovery"],
    "job_id": "42",
    "task_type": None,
    "user_id": None,
    "enabled": True,
}
_CHANNEL = {
    "id": 2,
    **_SAID,
    "address": "https://hooks.acme.example/…",
    "last_sent_at": "2026-11-25T02:00:14.310528Z",
    "last_error": None,
    "last_error_at": None,
    "created_at": "2026-11-12T08:04:51.300217Z",
    "updated_at": "2026-11-12T08:04:51.300217Z",
}
_PAGE = {"limit": 50, "offset": 0, "has_more": False, "next_cursor": None}
_CLOSED = refused("What this channel holds cannot be opened any more; delete it and make another.")

BODIES: dict[str, Any] = {
    "notification_channels_create": _SAID
    | {"address": "https://hooks.acme.example/scheduler", "job_id": None},
    "notification_channels_change": {"events": ["failure", "recovery", "cool_off"]},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "notification_channels_list": {
        "200": {"notification_channels": [_CHANNEL], "total_count": 1, **_PAGE},
        "400": LIMIT,
    },
    "notification_channels_create": {
        "201": _CHANNEL | {"job_id": None, "last_sent_at": None, "secret": "whsec_" + "A" * 43 + "="},
        "400": invalid("name", "Another channel of yours has this name."),
    },
    "notification_channels_read": {"200": _CHANNEL},
    "notification_channels_change": {
        "200": _CHANNEL
        | {"events": ["failure", "recovery", "cool_off"], "updated_at": "2026-11-25T08:40:10.116020Z"},
        "400": invalid("events", "This list may not be empty."),
        "409": _CLOSED,
    },
    "notification_channels_delete": {"200": _CHANNEL},
    "notification_channels_test": {
        "202": {"message_id": "0b0c7f3e-6d55-4a7b-9a44-9d4c7c1d7f10", "status": "pending"},
        "400": invalid("Idempotency-Key", "Use 1 to 255 printable ASCII characters."),
        "409": refused(
            "This channel is being tested, or was a minute ago; its last_sent_at or last_error says how it went."
        ),
    },
}
