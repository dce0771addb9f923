"""The latest outcomes of some jobs, for the strips that lists of jobs show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection

from apps.executions.sql import statement

# As for pages of the ledger: each partition that the times do not rule out is looked into, and most jobs have as many
# outcomes as are asked for within the last days. The others are looked for in more of them.
_DAYS = (2, 8)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recent:
    """A finished execution, a live one (`state`), or a range of skipped times (its `id` is negative, as in logs)."""

    job_id: int
    id: int
    status: str
    scheduled_for: datetime
    scheduled_until: datetime
    execution_time_ms: int | None
    reason: str | None
    count: int
    kind: str | None
    state: str | None


def recent_outcomes(*, tenant_id: int, job_ids: Sequence[int], count: int) -> dict[int, list[Recent]]:
    """Up to `count` of each of these jobs, by nominal time, the oldest first.

    Reads at most three times `count` rows of a job, each by an index, and again where the last days do not hold enough:
    what is live or was skipped is read however old it is, and more may have finished since, before those days.
    """
    found: dict[int, list[Recent]] = {job_id: [] for job_id in job_ids}
    short = list(job_ids)
    for since in (*(datetime.now(UTC) - timedelta(days=days) for days in _DAYS), _EARLIEST):
        if short:
            found |= _read(tenant_id, short, count, since)
        short = [
            job_id for job_id in short if len(found[job_id]) < count or found[job_id][0].scheduled_for < since
        ]
    return found


def _read(tenant_id: int, job_ids: Sequence[int], count: int, since: datetime) -> dict[int, list[Recent]]:
    found: dict[int, list[Recent]] = {job_id: [] for job_id in job_ids}
    with connection.cursor() as cursor:
        cursor.execute(
            statement("read_recent"),
            {"tenant_id": tenant_id, "job_ids": list(job_ids), "count": count, "since": since},
        )
        for row in cursor.fetchall():
            found[row[0]].append(Recent(*row))
    return {
        job_id: sorted(rows, key=lambda row: (row.scheduled_for, abs(row.id)))[-count:]
        for job_id, rows in found.items()
    }
