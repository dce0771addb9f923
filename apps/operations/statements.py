"""The SQL of repair: one function per file of `sql/`, on Django's connection and in whatever scope it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

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


class Live(NamedTuple):
    """A live execution that somebody has to look at; `problem` is None where its target or content may be why."""

    id: int
    tenant_id: int
    job_id: int
    job_name: str
    kind: str
    scheduled_for: datetime
    state: str
    attempt: int
    lost: int
    worker: str | None
    lease_expires_at: datetime | None
    run_at: datetime
    target: str
    content_version: int
    problem: str | None


def read_stuck(
    *,
    tenant_id: int | None,
    ids: Sequence[int] | None,
    expired: timedelta,
    overdue: timedelta,
    after: int = 0,
    limit: int = 1000,
) -> list[Live]:
    """Live executions whose lease is over for longer than `expired` or that wait for longer than `overdue`, and those
    that should not be there at all; the first of those after an id."""
    params = {
        "tenant_id": tenant_id,
        "ids": _ids(ids),
        "expired": expired,
        "overdue": overdue,
        "after": after,
        "limit": limit,
    }
    return [Live(*row) for row in _rows("read_stuck", params)]


class Orphaned(NamedTuple):
    """Versions of a job's content that nobody can run any more; whether there is such a job, and one that is not
    deleted."""

    job_id: int
    job_name: str | None
    is_known: bool
    is_kept: bool
    versions: list[int]


def read_orphaned_contents(
    tenant_id: int, job_ids: Sequence[int] | None, *, after: int = 0, limit: int = 1000
) -> list[Orphaned]:
    """By job, the first of those after an id. In the tenant's scope."""
    params = {"tenant_id": tenant_id, "job_ids": _ids(job_ids), "after": after, "limit": limit}
    return [Orphaned(*row) for row in _rows("read_orphaned_contents", params)]


class Lost(NamedTuple):
    """A job whose content the vault has not."""

    job_id: int
    job_name: str
    content_version: int


def read_lost_contents(tenant_id: int, job_ids: Sequence[int] | None) -> list[Lost]:
    """In the tenant's scope."""
    params = {"tenant_id": tenant_id, "job_ids": _ids(job_ids)}
    return [Lost(*row) for row in _rows("read_lost_contents", params)]


def _ids(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)


def _rows(name: str, params: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql(name), params)
        return list(cursor.fetchall())
