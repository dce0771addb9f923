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

from apps.jobs.notices import NewNotice
from apps.jobs.rows import CycleStart, JobOutcome, Note, Told
from apps.jobs.states import ENDPOINT_GONE, LONGEST_COOL_OFF

Rows = Iterable[tuple[Any, ...]]
Session = Cursor[tuple[Any, ...]]


class Reader(Protocol):
    """Reads in autocommit, outside any transaction and without a fence: `leadership.session.LeaderSession`."""

    def read(self, sql: LiteralString, params: dict[str, Any], /, *, prepare: bool | None = None) -> Rows: ...


FEW = 20


def few(rows: Sized) -> bool | None:
    """The `prepare` of psycopg: as it sees fit, or never."""
    return None if len(rows) <= FEW else False


@cache
def sql(name: str) -> LiteralString:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def lock_cursors(cursor: Session, job_ids: Sequence[int]) -> None:
    """Hold the cursors of these jobs until the transaction ends."""
    cursor.execute(sql("lock_cursors"), {"job_ids": list(job_ids)}, prepare=few(job_ids))


def read_cycles(session: Reader, tenant_ids: Sequence[int]) -> dict[int, CycleStart]:
    """Where these tenants' journals stand."""
    rows = session.read(sql("read_cycles"), {"tenant_ids": list(tenant_ids)}, prepare=few(tenant_ids))
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
        "streak_ats": [outcome.streak_at for outcome in outcomes],
        "longest": LONGEST_COOL_OFF,
    }
    cursor.execute(sql("apply_outcomes"), params, prepare=few(outcomes))
    return [Told(*row) for row in cursor]


def pause_gone(cursor: Session, outcomes: Sequence[JobOutcome], *, epoch: int) -> set[int]:
    """Switch off those of these jobs whose endpoint is gone; they have been told. Returns the jobs switched off."""
    params = {
        "job_ids": [outcome.job_id for outcome in outcomes],
        "content_versions": [outcome.gone_version for outcome in outcomes],
        "ats": [outcome.gone_at for outcome in outcomes],
        "reason": ENDPOINT_GONE,
        "epoch": epoch,
    }
    cursor.execute(sql("pause_gone"), params, prepare=few(outcomes))
    return {job_id for (job_id,) in cursor}


def stamp_journaled(cursor: Session, job_ids: Sequence[int]) -> None:
    """Remember that the journal has these jobs' completions."""
    cursor.execute(sql("stamp_journaled"), {"job_ids": list(job_ids)}, prepare=few(job_ids))


def insert_notices(cursor: Session, notices: Sequence[NewNotice]) -> None:
    """Keep those of them of which their tenants have asked to be told."""
    jobs = [notice.job for notice in notices]
    params = {
        "tenant_ids": [job.tenant_id for job in jobs],
        "events": [notice.event for notice in notices],
        "ats": [notice.at for notice in notices],
        "job_ids": [job.job_id for job in jobs],
        "names": [job.name for job in jobs],
        "task_types": [job.task_type for job in jobs],
        "user_ids": [job.user_id for job in jobs],
        "legacy_user_ids": [job.legacy_user_id for job in jobs],
        "failures": [notice.failures for notice in notices],
        "reasons": [notice.reason for notice in notices],
        "cool_off_untils": [job.cool_off_until for job in jobs],
    }
    cursor.execute(sql("insert_notices"), params, prepare=few(notices))
