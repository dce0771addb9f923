"""The headers of answers, for the description of the API: described once, and named where they are sent."""

from __future__ import annotations

from typing import Any

_WHOLE = {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "The object's version; send it back as If-Match.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "Idempotency-Replayed": {
        "description": "There if this is the kept answer to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RateLimit-Limit": {
        "description": "Requests a minute that this key or account has. On every answer where the plan has a limit.",
        "schema": _WHOLE,
        "example": 600,
    },
    "RateLimit-Remaining": {
        "description": "Requests that are left of them.",
        "schema": _WHOLE,
        "example": 588,
    },
    "RateLimit-Reset": {
        "description": "Seconds until the minute is over.",
        "schema": _WHOLE,
        "example": 12,
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": _WHOLE, "example": 12},
}
_RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_VERSIONED = [{"$ref": f"#/components/schemas/{name}"} for name in ("JobShape", "CalendarShape")]


def headers_of(method: str, code: str, answer: dict[str, Any]) -> dict[str, Any]:
    """References to the headers of one answer of an operation."""
    is_done = code.startswith("2")
    names = [*_RATE] if is_done or code == "429" else []
    if is_done and answer["content"].get("application/json", {}).get("schema") in _VERSIONED:
        names.append("ETag")
    if is_done and method == "post":
        names.append("Idempotency-Replayed")
    if code == "429" or (code == "409" and method == "post"):
        names.append("Retry-After")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}
