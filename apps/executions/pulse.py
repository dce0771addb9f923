"""What moves when executions start or end, read in one statement: every open page asks for it again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from apps.executions.sql import statement
from apps.tenants.identity import UserForms

MOST_WAITING = 1_000
_LOOKED_AT = 10_000  # of a tenant's queue, its end, for what waits of one user


class ExecutionPulse(NamedTuple):
    """`waiting` is counted to MOST_WAITING; `moves` differs as soon as one has started or ended."""

    running: int
    waiting: int
    moves: tuple[int | None, ...]
    at: datetime


def execution_pulse(*, tenant_id: int, user: UserForms | None) -> ExecutionPulse:
    """Of the tenant's executions, or of one user's."""
    params: dict[str, Any] = {
        "tenant_id": tenant_id,
        "everybody": user is None,
        "strings": user.strings if user else [],
        "integers": user.integers if user else [],
        "looked_at": MOST_WAITING if user is None else _LOOKED_AT,
        "counted": MOST_WAITING,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("read_pulse"), params)
        running, waiting, *moves, at = cursor.fetchone()
    return ExecutionPulse(running, waiting, (running, *moves), at)
