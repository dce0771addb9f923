"""The dispatcher: turns due ticks into executions and skips, each once.

A step reads due cursors in autocommit, works out what is due of them outside any transaction, and then writes
everything in one: executions, skips, cursors, totals, journal and one NOTIFY. What was edited, paused or dispatched in
between no longer stands where it was read; it is left alone and looked at again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from psycopg import DataError, IntegrityError

from apps.executions.queue import enqueue, notify_work
from apps.jobs import statements
from apps.jobs.batches import Planned, executions_of, plan_due, work_of
from apps.jobs.cycles import TenantJournal
from apps.jobs.planning import without_overlap
from apps.jobs.rows import Due, DueJob
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

logger = logging.getLogger(__name__)
BUSY_SECONDS = 0.05  # somebody is editing a due job: its cursor is looked at again so soon


@dataclass(slots=True)
class Tally:
    """What a step did, in ticks; `quarantined`, `lost` and `busy` are jobs. `next_due`: the earliest moved cursor."""

    fired: int = 0
    skipped: int = 0
    quarantined: int = 0
    lost: int = 0
    busy: int = 0
    next_due: datetime | None = None
    by_type: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        found = self.fired + self.skipped
        return {
            "found": found,
            "fired": self.fired,
            "skipped": self.skipped,
            "quarantined": self.quarantined,
            "lost": self.lost,
            "busy": self.busy,
        }


class Dispatcher:
    """A step of the leader. Holds no state that a new leader would miss, but for the journal's numbers."""

    name = "dispatch"
    every = 0.0

    def __init__(self, *, chunk: int | None = None) -> None:
        self.chunk: int = chunk or settings.DISPATCH_CHUNK
        self.journal = TenantJournal()

    def run_once(self, session: LeaderSession) -> StepResult:
        """Dispatch up to one chunk of due jobs. Raises what the session raises: `TermLost`, a lost connection."""
        started = time.monotonic()
        due = statements.read_due(session, chunk=self.chunk)
        batch = plan_due(due)
        tally = Tally()
        if batch.planned:
            self._dispatch(session, batch.planned, tally, started)
        if batch.broken:
            self._quarantine(session, batch.broken, tally)
        if not due.jobs:
            self._tell_idle(session, started)
        more = batch.left or len(due.jobs) == self.chunk
        again = (more and tally.busy < len(due.jobs)) or tally.lost > 0
        wake_in = self._wake_in(due, tally, started)
        return StepResult(tally.counts(), again=again, wake_in=wake_in, by_type=tally.by_type)

    def _dispatch(
        self, session: LeaderSession, planned: Sequence[Planned], tally: Tally, started: float
    ) -> None:
        """Write the plans. If the database refuses a row, find the job it is of by halves, and write the others."""
        try:
            self._write(session, planned, tally, started)
        except (DataError, IntegrityError) as refusal:
            logger.warning("a batch of %d jobs was refused: %s", len(planned), refusal.sqlstate)
            if len(planned) == 1:
                reason = f"The database refused its executions (SQLSTATE {refusal.sqlstate})."
                self._quarantine(session, [(planned[0].job, reason)], tally)
                return
            half = len(planned) // 2
            self._dispatch(session, planned[:half], tally, started)
            self._dispatch(session, planned[half:], tally, started)

    def _write(
        self, session: LeaderSession, planned: Sequence[Planned], tally: Tally, started: float
    ) -> None:
        starts = self.journal.open(session, {job.tenant_id for job, _ in planned})
        job_ids = [job.job_id for job, _ in planned]
        with session.transaction() as cursor:
            free = statements.try_lock_cursors(cursor, job_ids)
            standing = statements.verify_cursors(cursor, sorted(free)) if free else {}
            held, parked = [], []
            for job, plan in planned:
                if job.job_id not in free:
                    continue
                now = standing.get(job.job_id)
                if now is None or (now.next_run_at, now.version) != (job.next_run_at, job.version):
                    continue
                if now.active:
                    held.append(Planned(job, without_overlap(plan, job.overlap, live=now.live)))
                else:
                    parked.append(job.job_id)
            work = work_of(held)
            lines = {tenant_id: start for tenant_id, start in starts.items() if tenant_id in work}
            rows = executions_of(held, session.epoch)
            skips = [(job, skip) for job, plan in held for skip in plan.skips]
            with cursor.connection.pipeline():
                if held:
                    statements.advance_cursors(cursor, [(job.job_id, plan) for job, plan in held])
                if parked:
                    statements.park_cursors(cursor, parked)
                if skips:
                    statements.insert_skips(cursor, skips, epoch=session.epoch)
                if work:
                    figures = {tenant_id: (done.found, done.skipped) for tenant_id, done in work.items()}
                    statements.add_to_totals(cursor, figures, epoch=session.epoch)
                seconds = time.monotonic() - started
                self.journal.write(cursor, lines, work, epoch=session.epoch, seconds=seconds)
                if rows:
                    enqueue(cursor, rows)
                    notify_work(cursor)
        self.journal.close(lines, work)
        tally.fired += len(rows)
        tally.skipped += sum(plan.skipped for _, plan in held)
        tally.busy += len(planned) - len(free)
        tally.lost += len(free) - len(held) - len(parked)
        for done in work.values():
            tally.by_type.update(done.by_type)
        moved = [plan.next_run_at for _, plan in held if plan.next_run_at is not None]
        tally.next_due = earliest(tally.next_due, min(moved, default=None))

    def _quarantine(self, session: LeaderSession, broken: Sequence[tuple[DueJob, str]], tally: Tally) -> None:
        """Take these jobs out of the schedule and say so in the journal."""
        ordered = sorted(broken, key=lambda pair: pair[0].job_id)
        with session.transaction() as cursor:
            free = statements.try_lock_cursors(cursor, [job.job_id for job, _ in ordered])
            mine = [pair for pair in ordered if pair[0].job_id in free]
            taken = statements.quarantine_cursors(cursor, mine) if mine else set()
            for job, reason in ordered:
                if job.job_id in taken:
                    event_insert(
                        cursor,
                        event_type=SchedulerEvent.Type.JOB_FAILED,
                        tenant_id=job.tenant_id,
                        epoch=session.epoch,
                        job_id=job.job_id,
                        job_type=job.task_type,
                        user_id=job.user_id,
                        legacy_user_id=job.legacy_user_id,
                        error_message=reason,
                        event_data={"quarantined": True, "scheduled_for": job.next_run_at.isoformat()},
                    )
        tally.quarantined += len(taken)
        tally.busy += len(ordered) - len(mine)
        tally.lost += len(mine) - len(taken)

    def _tell_idle(self, session: LeaderSession, started: float) -> None:
        if not (idle := self.journal.idle()) or not (lines := self.journal.open(session, idle)):
            return
        with session.transaction() as cursor, cursor.connection.pipeline():
            seconds = time.monotonic() - started
            self.journal.write(cursor, lines, {}, epoch=session.epoch, seconds=seconds)
        self.journal.close(lines, {})

    def _wake_in(self, due: Due, tally: Tally, started: float) -> float | None:
        """Seconds until the next due time that is known. The database's clock, plus what the step took by ours."""
        waits = []
        if (next_due := earliest(due.next_due, tally.next_due)) is not None:
            elapsed = time.monotonic() - started
            waits.append(max((next_due - due.now).total_seconds() - elapsed, 0.0))
        if (line := self.journal.wait()) is not None:
            waits.append(line)
        if tally.busy:
            waits.append(BUSY_SECONDS)
        return min(waits, default=None)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants, of which either may be unknown."""
    return other if one is None or (other is not None and other < one) else one
