"""Sealing: JSON encrypted with a key of the tenant, bound to the row it belongs to.

Fernet has no associated data, so ciphertext could be moved from row to row; hence one derived key a tenant, and the
row's label inside the plaintext. Keys come from `settings.VAULT_KEYS`, newest first: the first seals, all of them open.
"""

import base64
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class CannotOpen(ValueError):
    """The sealed value was sealed for another tenant or row, or with a key that is not configured."""


@lru_cache(maxsize=4096)
def _key(schema_name: str, master: str) -> Fernet:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"vault:{schema_name}".encode())
    return Fernet(base64.urlsafe_b64encode(hkdf.derive(master.encode())))


@lru_cache(maxsize=4096)
def _cipher(schema_name: str, master_keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_key(schema_name, master) for master in master_keys])


def seal(schema_name: str, label: str, value: Any) -> bytes:
    """Ciphertext of the JSON-able `value`, that only `open_sealed` with the same schema and label can read."""
    plain = json.dumps([label, value], separators=(",", ":")).encode()
    return _cipher(schema_name, tuple(settings.VAULT_KEYS)).encrypt(plain)


def open_sealed(schema_name: str, label: str, sealed: bytes | memoryview) -> Any:
    """The value that was sealed. Raises `CannotOpen`."""
    try:
        found, value = json.loads(_cipher(schema_name, tuple(settings.VAULT_KEYS)).decrypt(bytes(sealed)))
    except InvalidToken:
        raise CannotOpen(f"{label} cannot be opened with the configured keys") from None
    if found != label:
        raise CannotOpen(f"{label} holds what was sealed for another row")
    return value


def resealed(schema_name: str, label: str, sealed: bytes | memoryview) -> bytes | None:
    """The same value under the newest key; None where it is sealed with that one already. Raises `CannotOpen`."""
    value = open_sealed(schema_name, label, sealed)
    try:
        _key(schema_name, settings.VAULT_KEYS[0]).decrypt(bytes(sealed))
    except InvalidToken:
        return seal(schema_name, label, value)
    return None
