"""Ledgers of any age, as completions would have written them, and retention run to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection, transaction

from apps.executions.counters import CounterFold
from apps.executions.models import ExecutionLog
from apps.executions.retention import Retention
from apps.leadership.session import LeaderSession
from apps.tenants.context import all_tenants_scope
from tests.legacy import history_removed, ledger_row

_JOBS = count(1_000)
_WRITE = """
WITH logged AS (
    SELECT * FROM executions_executionlog WHERE id = ANY (%(ids)s) AND scheduled_for = ANY (%(times)s)
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, finished_at, outcome)
    SELECT id, scheduled_for, tenant_id, 1, 'w', gen_random_uuid(), finished_at, status FROM logged
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result)
    SELECT id, scheduled_for, tenant_id, '{"said": "yes"}' FROM logged
)
INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
SELECT tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
       date_trunc('hour', scheduled_for, 'UTC'), count(*),
       count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)
FROM logged GROUP BY 1, 2, 3, 4, 5
"""


def midnight(days_ago: int) -> datetime:
    """The beginning of that day, UTC."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def finished(
    tenant: Any, days_ago: int, n: int = 1, *, user_id: str | None = "u-1", **columns: Any
) -> list[ExecutionLog]:
    """`n` ticks of one day that a leader had found, with outputs, attempts and unfolded deltas."""
    start = midnight(days_ago) + timedelta(hours=1)
    defaults = {"kind": "scheduled", "epoch": 1, "legacy_user_id": None, "job_id": next(_JOBS)}
    values = defaults | columns
    rows = [
        ledger_row(tenant, user_id, scheduled_for=at, run_at=at, finished_at=at, created_at=at, **values)
        for at in (start + timedelta(minutes=number) for number in range(n))
    ]
    with all_tenants_scope(), transaction.atomic():
        ExecutionLog.objects.bulk_create(rows)
        with connection.cursor() as cursor:
            cursor.execute(
                _WRITE, {"ids": [row.pk for row in rows], "times": [row.scheduled_for for row in rows]}
            )
    return rows


@contextmanager
def old_days(*days_ago: int) -> Iterator[None]:
    """Partitions of these days, for the length of the `with`."""
    with history_removed():
        with connection.cursor() as cursor:
            for day in (midnight(days).date() for days in days_ago):
                cursor.execute("SELECT executions_create_partitions(%s, %s)", [day, day])
        yield


def fold(leader: LeaderSession) -> None:
    while CounterFold().run_once(leader).again:
        pass


def retain(leader: LeaderSession, **options: Any) -> Counter[str]:
    """One round of retention, and a fold of what it leaves."""
    step = Retention(rest=0, **options)
    counts: Counter[str] = Counter()
    while (result := step.run_once(leader)).again:
        counts.update(result.counts)
    fold(leader)
    return counts


def partitions_of(*days_ago: int) -> set[str]:
    """The tables that are partitions of these days."""
    names = [
        f"executions_{table}_{midnight(days):%Y%m%d}"
        for days in days_ago
        for table in ("attempt", "executionlog", "executionoutput")
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname = ANY (%s)", [names])
        return {name for (name,) in cursor.fetchall()}
