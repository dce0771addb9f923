"""Answers kept under the keys that callers chose, so that a repeated POST does its deed once.

The row is claimed in the transaction of the deed: a second request with the key waits for the first, and finds either
its answer or, if it failed, nothing. Answers are sealed, for they hold what only their caller may see.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from apps.tenants.crypto import open_sealed, seal
from apps.tenants.models import IdempotentRequest, Membership, Tenant

KEPT_FOR = "24 hours"
MAX_KEY = 255
# A key whose answer has expired is as good as new.
_CLAIM = """
INSERT INTO tenants_idempotentrequest AS r (tenant_id, membership_id, key, fingerprint)
VALUES (%(tenant)s, %(membership)s, %(key)s, %(fingerprint)s)
ON CONFLICT (tenant_id, membership_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, sealed = NULL, created_at = clock_timestamp()
WHERE r.created_at < clock_timestamp() - %(kept)s::interval
RETURNING id
"""
_PRUNE = """
DELETE FROM tenants_idempotentrequest
WHERE id = ANY (ARRAY(
    SELECT id FROM tenants_idempotentrequest
    WHERE tenant_id = %(tenant)s AND created_at < clock_timestamp() - %(kept)s::interval
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""
_PRUNED_AT_ONCE = 10  # by each new request


class KeyInUse(Exception):
    """A request with this key is still at work."""


class KeyTaken(Exception):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was told; `headers` are those that belong to the deed."""

    status: int
    data: Any
    headers: dict[str, str]


def fingerprint(method: str, path: str, body: bytes, *, authority: str) -> str:
    """Tells one request from another: `path` with its query string, and the body byte by byte.

    `authority` is what the caller may do: an answer may hold what a weaker key of the same member must not get.
    """
    parts = (method.encode(), path.encode(), authority.encode(), body)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def claim(tenant: Tenant, membership: Membership, key: str, request_fingerprint: str) -> Answer | None:
    """Hold `key` until the caller's transaction ends, or the answer that was given under it.

    Raises KeyInUse when another request holds it for more than five seconds, KeyTaken when its request was another, and
    CannotOpen when its answer was sealed under a key that is no longer configured.
    """
    given = {
        "tenant": tenant.pk,
        "membership": membership.pk,
        "key": key,
        "fingerprint": request_fingerprint,
        "kept": KEPT_FOR,
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute(_CLAIM, given)
            claimed = cursor.fetchone() is not None
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
            if claimed:
                answers_delete(cursor, tenant_id=tenant.pk, limit=_PRUNED_AT_ONCE)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise KeyInUse from error
    if claimed:
        return None
    row = IdempotentRequest.objects.get(tenant=tenant, membership=membership, key=key)
    if row.fingerprint != request_fingerprint:
        raise KeyTaken
    assert row.sealed is not None  # noqa: S101 - a row is committed with its answer or not at all
    return Answer(**open_sealed(str(tenant.schema_name), _label(membership, key), row.sealed))


def keep(tenant: Tenant, membership: Membership, key: str, answer: Answer) -> None:
    """Store the answer, in the transaction that claimed the key. `data` is JSON-able."""
    value = {"status": answer.status, "data": answer.data, "headers": answer.headers}
    sealed = seal(str(tenant.schema_name), _label(membership, key), value)
    IdempotentRequest.objects.filter(tenant=tenant, membership=membership, key=key).update(sealed=sealed)


def answers_delete(cursor: Any, *, tenant_id: int, limit: int) -> int:
    """Delete up to `limit` of the tenant's answers that have expired; how many it were."""
    cursor.execute(_PRUNE, {"tenant": tenant_id, "kept": KEPT_FOR, "limit": limit})
    return int(cursor.rowcount)


def _label(membership: Membership, key: str) -> str:
    return f"answer:{membership.pk}:{key}"
