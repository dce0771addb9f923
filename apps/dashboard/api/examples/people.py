"""Alice, Bob, and the key of Acme's nightly build."""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples.refusals import LIMIT, invalid, refused

_ALICE = {
    "id": 1,
    "user_id": "alice",
    "legacy_user_id": 17,
    "username": "alice@acme.example",
    "role": "owner",
    "created_at": "2026-11-02T09:01:13.402671Z",
}
_BOB = {
    "id": 2,
    "user_id": "bob",
    "legacy_user_id": None,
    "username": "bob@acme.example",
    "role": "member",
    "created_at": "2026-11-03T13:40:50.917284Z",
}
_KEY = {
    "id": 3,
    "name": "Nightly build",
    "prefix": "k3ji29dk2l",
    "user_id": "alice",
    "role": "member",
    "scopes": ["read", "write"],
    "status": "active",
    "created_at": "2026-11-03T14:05:09.225016Z",
    "expires_at": "2027-02-01T14:05:09.218403Z",
    "revoked_at": None,
    "replaced_by": None,
}
_NEW_KEY = _KEY | {
    "id": 4,
    "prefix": "p8w0x5mz1c",
    "created_at": "2026-11-25T08:40:17.603982Z",
    "expires_at": "2027-02-23T08:40:17.597369Z",
}
_DAN = {
    "id": 5,
    "email": "dan@acme.example",
    "role": "member",
    "status": "open",
    "invited_by": "alice",
    "created_at": "2026-11-25T08:52:31.118204Z",
    "expires_at": "2026-12-02T08:52:31.118204Z",
    "accepted_at": None,
    "revoked_at": None,
}
_PAGE = {"limit": 50, "offset": 0, "has_more": False, "next_cursor": None}
_SECRET = "0" * 50  # where a real key has its secret

BODIES: dict[str, Any] = {
    "invitations_create": {"email": "dan@acme.example", "role": "member"},
    "api_keys_create": {"name": "Nightly build", "role": "member", "scopes": ["read", "write"]},
    "api_keys_rotate": {"overlap_hours": 2},
    "members_create": {"username": "bob@acme.example", "user_id": "bob", "role": "member"},
    "members_change": {"role": "admin"},
}

_LAST_OWNER = refused("This is the tenant's last owner. Make somebody else an owner first.")
ANSWERS: dict[str, dict[str, Any]] = {
    "invitations_list": {"200": {"invitations": [_DAN], "total_count": 1, **_PAGE}, "400": LIMIT},
    "invitations_create": {
        "201": _DAN | {"link": f"https://acme.example.com/join/{_SECRET}"},
        "400": invalid("email", "Enter a valid email address."),
    },
    "invitations_revoke": {
        "200": _DAN | {"status": "revoked", "revoked_at": "2026-11-25T09:03:12.730155Z"},
        "409": refused("This invitation was taken. Remove the member instead."),
    },
    "api_keys_list": {"200": {"api_keys": [_KEY], "total_count": 1, **_PAGE}, "400": LIMIT},
    "api_keys_create": {
        "201": _KEY | {"key": f"sched_live_k3ji29dk2l_{_SECRET}"},
        "400": invalid("user_id", "There is no such member."),
    },
    "api_keys_read": {"200": _KEY},
    "api_keys_rotate": {
        "201": _NEW_KEY | {"key": f"sched_live_p8w0x5mz1c_{_SECRET}"},
        "400": invalid("overlap_hours", "Ensure this value is less than or equal to 168."),
        "409": refused("This key is expired or revoked. Make a new one."),
    },
    "api_keys_revoke": {
        "200": _KEY | {"status": "revoked", "revoked_at": "2026-11-25T10:41:00.044178Z", "replaced_by": 4}
    },
    "members_list": {"200": {"members": [_ALICE, _BOB], "total_count": 2, **_PAGE}, "400": LIMIT},
    "members_create": {
        "201": _BOB,
        "400": invalid("username", "'bob@acme.example' ('bob') is a member of 'acme' already."),
    },
    "members_read": {"200": _BOB},
    "members_change": {
        "200": _BOB | {"role": "admin"},
        "400": invalid("role", '"boss" is not a valid choice.'),
        "409": _LAST_OWNER,
    },
    "members_delete": {"200": _BOB, "409": _LAST_OWNER},
}
