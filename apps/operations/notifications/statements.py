"""The SQL of notifications: one function per file of `operations/sql/`, on Django's connection."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from apps.operations.statements import sql


class Claimed(NamedTuple):
    """A message that is ours to send until the lease ends."""

    id: int
    tenant_id: int
    channel_id: int
    message_id: UUID
    content: dict[str, Any]
    is_test: bool
    attempts: int
    token: UUID
    created_at: datetime
    claimed_at: datetime


def _rows(name: str, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql(name), params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _changed(name: str, **params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql(name), params)
        return int(cursor.rowcount)


def read_gatherable(*, wait: float, apart: float, limit: int) -> list[int]:
    return [tenant_id for (tenant_id,) in _rows("read_gatherable", wait=wait, apart=apart, limit=limit)]


def hold_gathering(*, tenant_id: int, apart: float) -> bool:
    """Whether the tenant's notices are ours until the transaction ends."""
    return bool(_rows("hold_gathering", tenant_id=tenant_id, apart=apart))


def claim_deliveries(*, lease: float, limit: int) -> list[Claimed]:
    claimed = [Claimed(*row) for row in _rows("claim_deliveries", lease=lease, limit=limit)]
    return [row._replace(content=_json(row.content)) for row in claimed]


def settle_delivery(claimed: Claimed, *, state: str, retry_in: float, give_up: float) -> str | None:
    """The state that the message has now; None where the lease was lost."""
    rows = _rows(
        "settle_delivery",
        id=claimed.id,
        token=claimed.token,
        state=state,
        retry_in=retry_in,
        give_up=give_up,
    )
    return rows[0][0] if rows else None


def expire_deliveries(*, give_up: float, limit: int) -> int:
    return _changed("expire_deliveries", give_up=give_up, limit=limit)


def delete_deliveries(*, kept: float, limit: int) -> int:
    return _changed("delete_deliveries", kept=kept, limit=limit)


def delete_notices(*, give_up: float, limit: int) -> int:
    return _changed("delete_notices", give_up=give_up, limit=limit)


def _json(value: Any) -> dict[str, Any]:
    """Django hands a raw query's jsonb over as text."""
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
