"""API keys as text: `sched_live_<prefix>_<secret><checksum>`.

The prefix finds the row, the secret is 256 random bits of which only the SHA-256 is kept (a slow hash adds nothing to
a secret of that size), and the checksum tells a mistyped key from a wrong one without asking the database.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

from django.utils.crypto import constant_time_compare

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KEY = re.compile(r"sched_live_([0-9a-z]{10})_([0-9A-Za-z]{43})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class KeyText:
    """The parts of a well-formed key."""

    prefix: str
    secret: str

    def __str__(self) -> str:
        body = f"sched_live_{self.prefix}_{self.secret}"
        return f"{body}{zlib.crc32(body.encode()):08x}"

    @property
    def secret_hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, secret_hash: str) -> bool:
        return constant_time_compare(self.secret_hash, secret_hash)


def generate() -> KeyText:
    prefix = "".join(secrets.choice(_ALPHABET[:36]) for _ in range(10))
    return KeyText(prefix, "".join(secrets.choice(_ALPHABET) for _ in range(43)))


def parse(text: str) -> KeyText | None:
    """The parts of `text`, or None when it is no key of ours or its checksum is off."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    key = KeyText(match[1], match[2])
    return key if str(key) == text else None
