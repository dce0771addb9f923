"""A tenant's members and their keys."""

from tests.contract.schemas.words import (
    INTEGER,
    TIME,
    WORD,
    Schema,
    envelope,
    exact_object,
    list_of,
    nullable,
    one_of,
)

ROLE = one_of("viewer", "member", "admin", "owner")
MEMBER = exact_object(
    {
        "id": INTEGER,
        "user_id": WORD,
        "legacy_user_id": nullable(INTEGER),
        "username": WORD,
        "role": ROLE,
        "created_at": TIME,
    }
)
MEMBERS = envelope("members", MEMBER)

_KEY: dict[str, Schema] = {
    "id": INTEGER,
    "name": WORD,
    "prefix": WORD,
    "user_id": WORD,
    "role": ROLE,
    "scopes": list_of(WORD),
    "created_at": TIME,
    "expires_at": nullable(TIME),
    "revoked_at": nullable(TIME),
}
# The key is shown once: in the answer that makes it, and in no other.
KEY = exact_object(_KEY) | {
    "not": {"anyOf": [{"required": [name]} for name in ("key", "secret", "secret_hash")]}
}
NEW_KEY = exact_object({**_KEY, "key": WORD})
KEYS = envelope("api_keys", KEY)

_INVITATION: dict[str, Schema] = {
    "id": INTEGER,
    "email": WORD,
    "role": ROLE,
    "status": one_of("open", "expired", "revoked", "accepted"),
    "invited_by": WORD,
    "created_at": TIME,
    "expires_at": TIME,
    "accepted_at": nullable(TIME),
    "revoked_at": nullable(TIME),
}
# The link is shown once: in the answer that makes it, and in no other.
INVITATION = exact_object(_INVITATION) | {
    "not": {"anyOf": [{"required": [name]} for name in ("link", "token", "token_hash")]}
}
NEW_INVITATION = exact_object({**_INVITATION, "link": WORD})
INVITATIONS = envelope("invitations", INVITATION)
