"""What a connection may hold, and what the audit trail says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from apps.vault.models import Connection

MAX_JSON = 16 * 1024  # bytes of JSON, of the settings and of the credentials
MAX_LABEL = 200
CONNECTED, DISCONNECTED = "connected", "disconnected"


class ConnectionRefused(ValueError):
    """A connection that cannot be kept. `errors` has a sentence for a person by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {sentence}" for name, sentence in errors.items()))
        self.errors = dict(errors)


def check(*, user_id: Any, label: Any, settings: Any, credentials: Any) -> None:
    """Raises ConnectionRefused with every complaint. `credentials` may be None."""
    errors = dict(_text_complaints(user_id, label))
    for name, value in (("settings", settings), ("credentials", credentials)):
        if not (name == "credentials" and value is None) and (sentence := _json_complaint(value)):
            errors[name] = sentence
    if credentials == {}:
        errors["credentials"] = "This cannot be empty."
    if errors:
        raise ConnectionRefused(errors)


def audited(connection: Connection | None) -> dict[str, Any]:
    """Nothing that is kept in the vault: on-call reads this. Of the settings the names, of the credentials when."""
    if connection is None:
        return {"status": DISCONNECTED}
    changed = connection.credentials_updated_at
    return {
        "status": CONNECTED,
        "settings": sorted(connection.settings),
        "has_credentials": connection.sealed is not None,
        "credentials_updated_at": changed and changed.isoformat(),
    }


def _text_complaints(user_id: Any, label: Any) -> Iterator[tuple[str, str]]:
    for name, value, least in (("user_id", user_id, 1), ("label", label, 0)):
        if not isinstance(value, str) or not value.isprintable() or not least <= len(value) <= MAX_LABEL:
            yield name, f"Use at most {MAX_LABEL} characters that can be shown."


def _json_complaint(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "This has to be an object."
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        storable = not _has_nul(value)
    except (TypeError, ValueError, RecursionError):
        return "This cannot be written as JSON."
    if size > MAX_JSON:
        return f"At most {MAX_JSON:,} bytes of JSON; this has {size:,}."
    return None if storable else "This has a NUL character in it, which cannot be stored."


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
