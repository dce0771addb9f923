"""Signatures by Standard Webhooks (standardwebhooks.com): symmetric, `v1`, HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets as random_source
import time
from collections.abc import Mapping, Sequence

from apps.executions.targets.context import ExecutionContext

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
TOLERANCE_SECONDS = 300


class SecretError(ValueError):
    """Not `whsec_` and the base64 of 24 to 64 bytes. The text never holds the secret."""


class SignatureError(ValueError):
    """The message is not what the holder of a secret sent, or not of the last five minutes."""


def generate_secret() -> str:
    """A new signing secret of 32 random bytes."""
    return PREFIX + base64.b64encode(random_source.token_bytes(32)).decode()


def secret_key(secret: str) -> bytes:
    """The bytes of a secret. Raises SecretError."""
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError("a signing secret is whsec_ and base64") from None
    if len(key) not in KEY_BYTES:
        raise SecretError("a signing secret holds 24 to 64 bytes")
    return key


def _signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret_key(secret), signed, hashlib.sha256)).decode()


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three header fields. One signature for each secret, so that receivers can rotate at leisure.

    `timestamp` is the attempt's, in seconds since 1970; `message_id` is the execution's. Raises SecretError.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, message_id, timestamp, body) for secret in secrets),
    }


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> None:
    """What a receiver does with the exact bytes it got. Raises SignatureError; replays are told by `webhook-id`."""
    fields = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = fields.get("webhook-id", ""), fields.get("webhook-timestamp", "")
    given = fields.get("webhook-signature", "").split(" ")
    if not message_id or not re.fullmatch(r"[0-9]{1,12}", stamp):
        raise SignatureError("a header is missing or malformed")
    if abs((time.time() if now is None else now) - int(stamp)) > TOLERANCE_SECONDS:
        raise SignatureError("the timestamp is more than five minutes off")
    matched = False
    for secret in secrets:
        expected = _signature(secret, message_id, int(stamp), body).encode()
        # No early exit: the time taken tells nothing about which signature or how much of it was right.
        for signature in given:
            matched |= hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    if not matched:
        raise SignatureError("no signature matches")


def delivery_headers(context: ExecutionContext) -> dict[str, str]:
    """Which attempt of which execution this is, for the receiver's log. `scheduled_for` is ISO 8601 in UTC."""
    return {
        "scheduler-execution-id": str(context.execution_id),
        "scheduler-epoch": str(context.epoch),
        "scheduler-attempt": str(context.attempt),
        "scheduler-scheduled-for": context.scheduled_for.isoformat(),
    }
