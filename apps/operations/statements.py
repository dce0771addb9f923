"""The SQL of repair: one function per file of `sql/`, on Django's connection and in whatever scope it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.db import connection


class Accounted(NamedTuple):
    """The last tick with an outcome, and when the schedule took effect; None where unknown."""

    tick: datetime | None
    scheduled_at: datetime | None


@cache
def sql(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def read_accounted(job_ids: Sequence[int]) -> dict[int, Accounted]:
    """How far each of these jobs is accounted for, by job."""
    with connection.cursor() as cursor:
        cursor.execute(sql("read_accounted"), {"job_ids": list(job_ids)})
        return {row[0]: Accounted(*row[1:]) for row in cursor.fetchall()}


def wake_scheduler() -> None:
    """Tell the leader, on commit, that cursors have moved."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('scheduler_jobs', '')")
