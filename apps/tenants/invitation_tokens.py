"""The token of an invitation as text: 256 random bits and a signature that tells how it came to whoever shows it.

Of the bits the SHA-256 is kept. One that came by mail proves that its bearer reads the mail of that address; the copy
that the inviter gets does not, and so cannot choose the password of an account that is not theirs. A forged or mistyped
token is told apart without asking the database.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from django.core.signing import BadSignature, Signer

_MAILED, _COPIED = "tenants.invitation.mailed", "tenants.invitation.copied"


class Token(NamedTuple):
    secret: str
    mailed: bool

    def __str__(self) -> str:
        return _signer(mailed=self.mailed).sign(self.secret)

    @property
    def secret_hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()


def generate() -> Token:
    """One that is to be mailed."""
    return Token(secrets.token_urlsafe(32), mailed=True)


def parse(text: str) -> Token | None:
    """None when it is no token of ours."""
    for mailed in (True, False):
        try:
            return Token(_signer(mailed=mailed).unsign(text), mailed)
        except BadSignature:
            continue
    return None


def _signer(*, mailed: bool) -> Signer:
    return Signer(salt=_MAILED if mailed else _COPIED, sep=".")
