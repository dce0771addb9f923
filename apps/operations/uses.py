"""What tenants use now of what their plans allow, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from apps.executions.usage import periods
from apps.jobs.states import FAILING_IN_A_ROW
from apps.operations.statements import sql


class Use(NamedTuple):
    """`charged` and `finished` are executions of today (UTC): those that a plan with a limit was charged, and those
    that ended. `failing` jobs keep failing or are quarantined.
    """

    jobs: int
    running: int
    charged: int
    finished: int
    failing: int


def uses_of(tenant_ids: Sequence[int], *, now: datetime) -> dict[int, Use]:
    """By tenant, in one statement. In the scope of all tenants."""
    _, day = periods(now.astimezone(UTC))
    params: dict[str, Any] = {"tenant_ids": list(tenant_ids), "day": day, "failures": FAILING_IN_A_ROW}
    with connection.cursor() as cursor:
        cursor.execute(sql("read_tenants_use"), params)
        return {row[0]: Use(*row[1:]) for row in cursor.fetchall()}
