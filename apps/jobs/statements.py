"""The loop's SQL on jobs: one function per file of `sql/`, each on a psycopg cursor of the leader's own session.

A statement that takes arrays is prepared for a few rows only, where planning it would take longer than running it. A
prepared one may get a generic plan, which believes that every array has ten elements and goes by a nested loop where
there are a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, Protocol

from psycopg import Cursor

from apps.jobs.planning import Plan, SkipRange
from apps.jobs.rows import CycleStart, Due, DueJob, JobOutcome, Note, Standing, Told

Rows = Iterable[tuple[Any, ...]]
Session = Cursor[tuple[Any, ...]]


class Reader(Protocol):
    """Reads in autocommit, outside any transaction and without a fence: `leadership.session.LeaderSession`."""

    def read(self, sql: LiteralString, params: dict[str, Any], /, *, prepare: bool | None = None) -> Rows: ...


FEW = 20


def _few(rows: Sized) -> bool | None:
    """The `prepare` of psycopg: as it sees fit, or never."""
    return None if len(rows) <= FEW else False


@cache
def sql(name: str) -> LiteralString:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def read_due(session: Reader, *, chunk: int) -> Due:
    """Up to `chunk` due jobs, longest due first."""
    rows = list(session.read(sql("read_due"), {"chunk": chunk}))
    now, next_due = rows[0][:2]
    return Due(now, next_due, [DueJob(*row[2:]) for row in rows if row[2] is not None])


def lock_cursors(cursor: Session, job_ids: Sequence[int]) -> None:
    """Hold the cursors of these jobs until the transaction ends."""
    cursor.execute(sql("lock_cursors"), {"job_ids": list(job_ids)}, prepare=_few(job_ids))


def try_lock_cursors(cursor: Session, job_ids: Sequence[int]) -> set[int]:
    """Hold those of these cursors that nobody else holds; whose they are. What is not among them was left alone."""
    cursor.execute(sql("try_lock_cursors"), {"job_ids": list(job_ids)}, prepare=_few(job_ids))
    return {job_id for (job_id,) in cursor}


def verify_cursors(cursor: Session, job_ids: Sequence[int]) -> dict[int, Standing]:
    """Where locked cursors stand, by job."""
    cursor.execute(sql("verify_cursors"), {"job_ids": list(job_ids)}, prepare=_few(job_ids))
    return {row[0]: Standing(*row[1:]) for row in cursor}


def advance_cursors(cursor: Session, plans: Sequence[tuple[int, Plan]]) -> None:
    """Move the cursors of these jobs to where their plans end."""
    params = {
        "job_ids": [job_id for job_id, _ in plans],
        "accounted": [plan.accounted for _, plan in plans],
        "next_run_ats": [plan.next_run_at for _, plan in plans],
    }
    cursor.execute(sql("advance_cursors"), params, prepare=_few(plans))


def park_cursors(cursor: Session, job_ids: Sequence[int]) -> None:
    """Take jobs that are switched off or deleted out of the schedule; their cursors are locked."""
    cursor.execute(sql("park_cursors"), {"job_ids": list(job_ids)}, prepare=_few(job_ids))


def quarantine_cursors(cursor: Session, broken: Sequence[tuple[DueJob, str]]) -> set[int]:
    """Take these jobs out of the schedule, each with its reason. Returns those whose cursor had not moved."""
    params = {
        "job_ids": [job.job_id for job, _ in broken],
        "next_run_ats": [job.next_run_at for job, _ in broken],
        "versions": [job.version for job, _ in broken],
        "reasons": [reason for _, reason in broken],
    }
    cursor.execute(sql("quarantine_cursors"), params, prepare=_few(broken))
    return {job_id for (job_id,) in cursor}


def insert_skips(cursor: Session, skips: Sequence[tuple[DueJob, SkipRange]], *, epoch: int) -> None:
    """Put ranges of skipped ticks into the ledger."""
    params = {
        "tenant_ids": [job.tenant_id for job, _ in skips],
        "job_ids": [job.job_id for job, _ in skips],
        "firsts": [skip.first for _, skip in skips],
        "lasts": [skip.last for _, skip in skips],
        "counts": [skip.count for _, skip in skips],
        "reasons": [str(skip.reason) for _, skip in skips],
        "details": [skip.detail for _, skip in skips],
        "epoch": epoch,
    }
    cursor.execute(sql("insert_skips"), params, prepare=_few(skips))


def add_to_totals(cursor: Session, work: dict[int, tuple[int, int]], *, epoch: int) -> None:
    """Count a check cycle for each tenant: its ticks found, and how many of them were skipped."""
    params = {
        "tenant_ids": list(work),
        "found": [found for found, _ in work.values()],
        "skipped": [skipped for _, skipped in work.values()],
        "epoch": epoch,
    }
    cursor.execute(sql("add_to_totals"), params, prepare=_few(work))


def read_cycles(session: Reader, tenant_ids: Sequence[int]) -> dict[int, CycleStart]:
    """Where these tenants' journals stand."""
    rows = session.read(sql("read_cycles"), {"tenant_ids": list(tenant_ids)}, prepare=_few(tenant_ids))
    return {row[0]: CycleStart(*row[1:]) for row in rows}


def has_notes(session: Reader) -> bool:
    """Whether completions have left anything for the cursors."""
    return any(found for (found,) in session.read(sql("has_notes"), {}))


def take_notes(cursor: Session, *, batch: int) -> list[Note]:
    """Remove up to `batch` notes, the oldest, and return them in no order."""
    cursor.execute(sql("take_notes"), {"batch": batch})
    return [Note(*row) for row in cursor]


def apply_outcomes(cursor: Session, outcomes: Sequence[JobOutcome]) -> list[Told]:
    """Tell the cursors of these jobs; they are locked already. Returns the jobs that exist."""
    params = {
        "job_ids": [outcome.job_id for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "finished_ats": [outcome.finished_at for outcome in outcomes],
        "success_ats": [outcome.success_at for outcome in outcomes],
        "failure_ats": [outcome.failure_at for outcome in outcomes],
        "reasons": [outcome.reason for outcome in outcomes],
        "streaks": [outcome.trailing for outcome in outcomes],
    }
    cursor.execute(sql("apply_outcomes"), params, prepare=_few(outcomes))
    return [Told(*row) for row in cursor]


def stamp_journaled(cursor: Session, job_ids: Sequence[int]) -> None:
    """Remember that the journal has these jobs' completions."""
    cursor.execute(sql("stamp_journaled"), {"job_ids": list(job_ids)}, prepare=_few(job_ids))
