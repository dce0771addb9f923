"""The SQL of repair: one function per file of `sql/`, on Django's connection and in whatever scope it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from django.db import connection

from apps.leadership.locks import TOTALS_CLASS

TOTALS = ("tasks_found", "tasks_executed", "tasks_failed", "tasks_skipped")


@cache
def sql(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def read_accounted(job_ids: Sequence[int]) -> dict[int, datetime | None]:
    """The last tick of each of these jobs that has an outcome or will get one; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(sql("read_accounted"), {"job_ids": list(job_ids)})
        return dict(cursor.fetchall())


def wake_scheduler() -> None:
    """Tell the leader, on commit, that cursors have moved."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('scheduler_jobs', '')")


def hold_totals(tenant_id: int) -> None:
    """Until the transaction ends, nobody else repairs the totals of this tenant."""
    with connection.cursor() as cursor:
        # Two integers: ids beyond the first two thousand million share keys, which costs them a wait.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (TOTALS_CLASS, tenant_id % 2**31))


def read_totals(tenant_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """A tenant's totals by name of TOTALS: as they are stored, and as its history has them."""
    with connection.cursor() as cursor:
        cursor.execute(sql("read_totals"), {"tenant_id": tenant_id})
        row = cursor.fetchone()
    return dict(zip(TOTALS, row[:4], strict=True)), dict(zip(TOTALS, row[4:], strict=True))


def add_drift(tenant_id: int, drift: Mapping[str, int]) -> None:
    """Add to a tenant's totals; `drift` by name of TOTALS."""
    with connection.cursor() as cursor:
        cursor.execute(sql("add_drift"), {"tenant_id": tenant_id, **drift})
