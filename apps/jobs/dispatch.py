"""The dispatcher: turns due ticks into executions and skips, each once.

A step reads due cursors in autocommit, in groups of jobs that are planned alike, and works out what is due of each
group outside any transaction. One transaction then holds the cursors that still stand where they were read, learns what
stands in the jobs' way, and writes everything in one statement. What was edited, paused or dispatched in between no
longer stands there; it is left alone and looked at again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from psycopg import DataError, IntegrityError

from apps.jobs import dispatch_sql
from apps.jobs.batches import Batch, Part, plan_due
from apps.jobs.cycles import TenantJournal
from apps.jobs.deciding import decide
from apps.jobs.metrics import dispatch_lag
from apps.jobs.overlaps import MAX_WAITING
from apps.jobs.rows import Due, Figure
from apps.leadership import tracing
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

logger = logging.getLogger(__name__)
BUSY_SECONDS = 0.05  # somebody is editing a due job: its cursor is looked at again so soon
QUIET_SECONDS = 5.0  # a backlog keeps the journal waiting for no longer


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

    def add(self, figures: Sequence[Figure]) -> None:
        for figure in figures:
            self.fired += figure.found - figure.skipped
            self.skipped += figure.skipped
            self.by_type[figure.task_type] += figure.found

    def counts(self) -> dict[str, int]:
        return {
            "found": self.fired + self.skipped,
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
        self._told_at = self._read_at = time.monotonic()

    def run_once(self, session: LeaderSession) -> StepResult:
        """Dispatch up to one chunk of due jobs. Raises what the session raises: `TermLost`, a lost connection."""
        started = time.monotonic()
        due = dispatch_sql.read_due(session, chunk=self.chunk)
        self._read_at = time.monotonic()
        batch = plan_due(due)
        tally = Tally()
        if batch.planned:
            self._dispatch(session, due.now, batch.planned, tally)
        if batch.broken:
            self._quarantine(session, batch.broken, tally)
        if batch.off:
            self._park(session, batch.off, tally)
        again = self._again(due, batch, tally)
        if not again or time.monotonic() - self._told_at > QUIET_SECONDS:
            self.journal.tell(session, seconds=time.monotonic() - started)
            self._told_at = time.monotonic()
        wake_in = self._wake_in(due, tally, started)
        return StepResult(tally.counts(), again=again, wake_in=wake_in, by_type=tally.by_type)

    def _again(self, due: Due, batch: Batch, tally: Tally) -> bool:
        more = batch.left or due.n == self.chunk
        return (more and tally.busy < due.n) or tally.lost > 0

    def _dispatch(
        self,
        session: LeaderSession,
        now: datetime,
        parts: Sequence[Part],
        tally: Tally,
        careful: bool = False,
    ) -> None:
        """Write the plans. If the database refuses a row, find the job it is of by halves, and write the others."""
        try:
            self._write(session, now, parts, tally, careful)
        except (DataError, IntegrityError) as refusal:
            count = sum(part.n for part in parts)
            logger.warning("a batch of %d jobs was refused: %s", count, refusal.sqlstate)
            if not careful:
                self._dispatch(session, now, parts, tally, careful=True)
            elif count > 1:
                for half in halves(parts, count // 2):
                    self._dispatch(session, now, half, tally, careful=True)
            else:
                reason = f"The database refused its executions (SQLSTATE {refusal.sqlstate})."
                self._quarantine(session, [(parts[0], reason)], tally)

    def _write(
        self, session: LeaderSession, now: datetime, parts: Sequence[Part], tally: Tally, careful: bool
    ) -> None:
        given = sum(part.n for part in parts)
        with session.transaction() as cursor:
            held = dispatch_sql.hold_cursors(cursor, parts, most=MAX_WAITING)
            free = sum(piece.n for piece in held)
            standing = free if free == given else dispatch_sql.count_standing(cursor, parts)
            decided = decide(cursor, parts, held, now=now, epoch=session.epoch)
            figures: list[Figure] = []
            if decided:
                figures = dispatch_sql.dispatch(cursor, decided, epoch=session.epoch, careful=careful)
        self._measure(decided, now, session.epoch)
        written = sum(part.n for part in decided)
        tally.add(figures)
        tally.busy += max(standing, free) - written
        tally.lost += given - max(standing, free)
        moved = [part.plan.next_run_at for part in decided if part.plan.next_run_at is not None]
        tally.next_due = earliest(tally.next_due, min(moved, default=None))
        self.journal.add(figures)

    def _measure(self, decided: Sequence[Part], now: datetime, epoch: int) -> None:
        """What was committed a moment ago; `now` is the database's clock when it was read."""
        seconds = time.monotonic() - self._read_at
        committed = now + timedelta(seconds=seconds)
        dispatch_lag.observe_all(
            ((committed - fire.tick).total_seconds(), part.n) for part in decided for fire in part.plan.fires
        )
        jobs = sum(part.n for part in decided)
        if jobs:
            about = {"scheduler.jobs": jobs, "scheduler.epoch": epoch}
            tracing.record("scheduler.dispatch", about, seconds=seconds)

    def _park(self, session: LeaderSession, parts: Sequence[Part], tally: Tally) -> None:
        """Put away cursors that were left due by jobs that are off: the loop would find them for ever."""
        with session.transaction() as cursor:
            held = dispatch_sql.hold_cursors(cursor, parts, most=0)
            if held:
                dispatch_sql.park_cursors(cursor, held)
        tally.busy += sum(part.n for part in parts) - sum(piece.n for piece in held)

    def _quarantine(self, session: LeaderSession, broken: Sequence[tuple[Part, str]], tally: Tally) -> None:
        """Take these jobs out of the schedule and say so in the journal."""
        with session.transaction() as cursor:
            held = dispatch_sql.hold_cursors(cursor, [part for part, _ in broken], most=0)
            pairs = [(piece, broken[piece.part - 1][1]) for piece in held]
            taken = dispatch_sql.quarantine_cursors(cursor, pairs) if pairs else []
            for job in taken:
                event_insert(
                    cursor,
                    event_type=SchedulerEvent.Type.JOB_FAILED,
                    tenant_id=job.tenant_id,
                    epoch=session.epoch,
                    job_id=job.job_id,
                    job_type=job.task_type,
                    user_id=job.user_id,
                    legacy_user_id=job.legacy_user_id,
                    error_message=job.reason,
                    event_data={"quarantined": True, "scheduled_for": job.due.isoformat()},
                )
        tally.quarantined += len(taken)
        tally.busy += sum(part.n for part, _ in broken) - len(taken)

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


def halves(parts: Sequence[Part], at: int) -> tuple[list[Part], list[Part]]:
    """The first `at` jobs of the parts, and the others."""
    first: list[Part] = []
    rest: list[Part] = []
    for part in parts:
        if part.n <= at:
            first.append(part)
        elif at > 0:
            head, tail = part.split(at)
            first.append(head)
            rest.append(tail)
        else:
            rest.append(part)
        at = max(at - part.n, 0)
    return first, rest


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants, of which either may be unknown."""
    return other if one is None or (other is not None and other < one) else one
