"""The dispatcher's SQL: one function per file of `sql/`, each on a psycopg cursor of the leader's own session.

Jobs go in and out as texts of ids with commas: the arrays are built by joining what the database gave, and nothing here
costs anything per job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from apps.jobs.batches import Part
from apps.jobs.rows import Due, DueGroup, Figure, Held, Quarantined
from apps.jobs.statements import FEW, Reader, Session, sql


class Members(Protocol):
    """`n` jobs: a `Part`, or what is `Held` of one."""

    @property
    def n(self) -> int: ...
    @property
    def job_ids(self) -> str: ...


def read_due(session: Reader, *, chunk: int) -> Due:
    """Up to `chunk` due jobs in groups, of all lanes alike, those that have been due for longest first."""
    rows = list(session.read(sql("read_due"), {"chunk": chunk}))
    now, next_due = rows[0][:2]
    return Due(now, next_due, [DueGroup(*row[3:]) for row in rows if row[3] is not None])


def hold_cursors(cursor: Session, parts: Sequence[Part], *, most: int) -> list[Held]:
    """Hold the cursors of these parts that still stand where they were read and that nobody else holds.

    Each part comes back in as many pieces as there are numbers of executions in the way of its jobs, counted up to
    `most` as the part asks.
    """
    params = {**_standing(parts), "asks": [int(part.asks) for part in parts], "most": most}
    cursor.execute(sql("hold_cursors"), params, prepare=_prepare(parts))
    return [Held(*row) for row in cursor]


def count_standing(cursor: Session, parts: Sequence[Part]) -> int:
    """How many jobs of these parts still stand where they were read, held by others or not."""
    cursor.execute(sql("count_standing"), _standing(parts), prepare=False)
    ((count,),) = cursor
    return int(count)


def dispatch(cursor: Session, parts: Sequence[Part], *, epoch: int, careful: bool = False) -> list[Figure]:
    """Write the plans of these parts, whose cursors are held. `careful`: leave out ticks that are live already.

    Raises psycopg.IntegrityError, DataError.
    """
    fires = [(no, part.plan.spread, fire) for no, part in enumerate(parts, 1) for fire in part.plan.fires]
    skips = [(no, skip) for no, part in enumerate(parts, 1) for skip in part.plan.skips]
    params = {
        **_members(parts),
        "fire_parts": [no for no, _, _ in fires],
        "ticks": [fire.tick for _, _, fire in fires],
        "run_ats": [fire.run_at for _, _, fire in fires],
        "spreads": [spread for _, spread, _ in fires],
        "skip_parts": [no for no, _ in skips],
        "firsts": [skip.first for _, skip in skips],
        "lasts": [skip.last for _, skip in skips],
        "counts": [skip.count for _, skip in skips],
        "reasons": [str(skip.reason) for _, skip in skips],
        "details": [skip.detail[:500] for _, skip in skips],
        "accounted": [part.plan.accounted for part in parts],
        "next_run_ats": [part.plan.next_run_at for part in parts],
        "founds": [len(part.plan.fires) + part.plan.skipped for part in parts],
        "skippeds": [part.plan.skipped for part in parts],
        "epoch": epoch,
        "careful": careful,
    }
    cursor.execute(sql("dispatch"), params, prepare=_prepare(parts))
    ((tenant_ids, task_types, found, skipped, _),) = cursor
    return [Figure(*row) for row in zip(tenant_ids, task_types, found, skipped, strict=True)]


def replace_runs(cursor: Session, parts: Sequence[tuple[Part, str]], *, epoch: int) -> set[int]:
    """End what waits and runs of these held jobs' schedules, with each part's sentence.

    Returns the jobs it was done for; the others have an execution that is just being claimed or finished.
    """
    pairs = [(job_id, sentence) for part, sentence in parts for job_id in part.job_ids.split(",")]
    params = {
        "job_ids": [int(job_id) for job_id, _ in pairs],
        "sentences": [sentence for _, sentence in pairs],
        "epoch": epoch,
    }
    cursor.execute(sql("replace_runs"), params, prepare=None if len(pairs) <= FEW else False)
    return {job_id for job_id, _ in cursor}


def park_cursors(cursor: Session, members: Sequence[Members]) -> None:
    """Take jobs that are switched off or deleted out of the schedule; their cursors are held."""
    cursor.execute(sql("park_cursors"), {"job_ids": _members(members)["job_ids"]}, prepare=_prepare(members))


def quarantine_cursors(cursor: Session, parts: Sequence[tuple[Members, str]]) -> list[Quarantined]:
    """Take these jobs, whose cursors are held, out of the schedule, each part with its reason."""
    members = [part for part, _ in parts]
    params = {**_members(members), "reasons": [reason for _, reason in parts]}
    cursor.execute(sql("quarantine_cursors"), params, prepare=_prepare(members))
    return [Quarantined(*row) for row in cursor]


def _standing(parts: Sequence[Part]) -> dict[str, Any]:
    versions = _array(part.versions for part in parts)
    return {**_members(parts), "versions": versions, "dues": [part.group.next_run_at for part in parts]}


def _members(parts: Sequence[Members]) -> dict[str, str]:
    numbers = "".join(f"{no}," * part.n for no, part in enumerate(parts, 1))
    return {"job_ids": _array(part.job_ids for part in parts), "parts": f"{{{numbers[:-1]}}}"}


def _array(texts: Any) -> str:
    return f"{{{','.join(texts)}}}"


def _prepare(parts: Sequence[Members]) -> bool | None:
    """As `statements.few`: a statement is prepared for a few jobs only."""
    return None if sum(part.n for part in parts) <= FEW else False
