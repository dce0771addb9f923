"""What refusals say. The sentences are the API's own, taken from where they are said when they have a name there."""

from __future__ import annotations

from typing import Any

from apps.tenants.api.errors import PreconditionFailed
from apps.tenants.api.views import KeyInUse, KeyTaken
from apps.tenants.permissions import IsAdmin, IsMember


def refused(sentence: str) -> dict[str, Any]:
    return {"detail": sentence}


def invalid(field: str, sentence: str) -> dict[str, Any]:
    return {"detail": f"{field}: {sentence}", "errors": {field: [sentence]}}


LIMIT = invalid("limit", "Use a whole number from 1 to 500.")
NO_USER = invalid("user_id", "Use at most 200 printable characters.")
ANOTHER_USER = refused("Members act for themselves; this names another user.")
_ADMINS_ONLY = refused(IsAdmin.message)
_OF_ADMINS = (
    "api_keys_",
    "members_",
    "invitations_",
    "event_logs_cleanup",
    "cumulative_stats_",
    "reconcile",
    "notification_channels_",
)

_USUAL: dict[str, dict[str, Any]] = {
    "400": LIMIT,
    "401": refused("This API key is not valid: it is unknown, expired or revoked."),
    "403": refused(IsMember.message),
    "404": refused("There is nothing with this id."),
    "409": refused(str(KeyInUse.default_detail)),
    "412": refused(str(PreconditionFailed.default_detail)),
    "413": refused("The body is larger than 1,048,576 bytes."),
    "415": refused('Unsupported media type "text/plain" in request.'),
    "422": refused(str(KeyTaken.default_detail)),
    "429": refused("Too many requests: 600 a minute are allowed with this key. Wait 12 seconds."),
}


def refusal_of(operation_id: str, code: str, *, default: Any) -> Any:
    """What the operation says with `code` unless it has words of its own; `default` if that is no refusal."""
    if code == "403" and operation_id.startswith(_OF_ADMINS):
        return _ADMINS_ONLY
    return _USUAL.get(code, default)
