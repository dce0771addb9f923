"""Notification channels."""

from tests.contract.schemas.words import (
    BOOLEAN,
    INTEGER,
    TIME,
    WORD,
    Schema,
    always,
    envelope,
    exact_object,
    list_of,
    nullable,
    one_of,
)

_CHANNEL: dict[str, Schema] = {
    "id": INTEGER,
    "name": WORD,
    "kind": one_of("email", "webhook"),
    "address": nullable(WORD),
    "events": list_of(one_of("failure", "recovery", "cool_off")),
    "job_id": nullable({"type": "string", "pattern": "^[0-9]+$"}),
    "task_type": nullable(WORD),
    "user_id": nullable(WORD),
    "enabled": BOOLEAN,
    "last_sent_at": nullable(TIME),
    "last_error": nullable(WORD),
    "last_error_at": nullable(TIME),
    "created_at": TIME,
    "updated_at": TIME,
}
# The secret is shown once: in the answer that makes the channel, and in no other.
CHANNEL = exact_object(_CHANNEL) | {"not": {"required": ["secret"]}}
NEW_CHANNEL = exact_object({**_CHANNEL, "secret": nullable(WORD)})
CHANNELS = envelope("notification_channels", CHANNEL)
TEST = exact_object({"message_id": WORD, "status": always("pending")})
