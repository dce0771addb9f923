"""The tenants' lines in the journal: a check_cycle with a tenant's own numbers, at most one a minute while it has work.

What happened since a tenant's last line is kept in the leader's memory and told by the next one, which is written when
the dispatcher has nothing more urgent to do. A leader that dies takes at most a minute of it along; the cumulative
totals, written with each dispatch, never miss anything.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from apps.jobs import statements
from apps.jobs.rows import CycleStart, Figure
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession

LINE_EVERY = 60.0  # seconds
MAX_LINES = 500  # in one step: they take some 20 ms
_MAX_INTEGER = 2**31 - 1


@dataclass(slots=True)
class Work:
    """Ticks found for one tenant, those of them that were skipped, and all of them by type of task."""

    found: int = 0
    skipped: int = 0
    by_type: Counter[str] = field(default_factory=Counter)

    def add(self, figure: Figure) -> None:
        self.found += figure.found
        self.skipped += figure.skipped
        self.by_type[figure.task_type] += figure.found


@dataclass(slots=True)
class _Line:
    """The last line of a tenant: when (monotonic), what its totals were then, and what came since."""

    at: float
    executed: int
    failed: int
    since: Work = field(default_factory=Work)


class TenantJournal:
    """`add` what was committed; `tell` writes the lines that are due, in a transaction of their own."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: dict[int, _Line] = {}

    def add(self, figures: Iterable[Figure]) -> None:
        """Remember what got an outcome."""
        for figure in figures:
            line = self._lines.get(figure.tenant_id)
            if line is None:
                line = self._lines[figure.tenant_id] = _Line(-math.inf, 0, 0)
            line.since.add(figure)

    def tell(self, session: LeaderSession, *, seconds: float) -> None:
        """Write a line for tenants with numbers to tell whose minute is over, for MAX_LINES of them at most."""
        now = self._clock()
        due = [
            tenant_id
            for tenant_id, line in self._lines.items()
            if line.since.found and now - line.at >= LINE_EVERY
        ][:MAX_LINES]
        if not due or not (starts := self._open(session, due, now)):
            return
        with session.transaction() as cursor, cursor.connection.pipeline():
            for tenant_id, start in starts.items():
                self._write(cursor, tenant_id, start, epoch=session.epoch, seconds=seconds)
        for tenant_id, start in starts.items():
            self._lines[tenant_id] = _Line(now, start.executed, start.failed)

    def wait(self) -> float | None:
        """Seconds until `tell` has the next line to write; None while nobody has numbers to tell."""
        waiting = [line.at for line in self._lines.values() if line.since.found]
        return max(min(waiting) + LINE_EVERY - self._clock(), 0.0) if waiting else None

    def _open(self, session: statements.Reader, due: list[int], now: float) -> dict[int, CycleStart]:
        """Those of the tenants that get a line. Another leader may have written one: the database says."""
        starts = statements.read_cycles(session, due)
        for tenant_id, start in starts.items():
            line = self._lines[tenant_id]
            if start.age is not None and start.age < now - line.at - 1.0:
                line.at, line.executed, line.failed = now - start.age, start.executed, start.failed
        return {
            tenant_id: start
            for tenant_id, start in starts.items()
            if now - self._lines[tenant_id].at >= LINE_EVERY
        }

    def _write(
        self, cursor: statements.Session, tenant_id: int, start: CycleStart, *, epoch: int, seconds: float
    ) -> None:
        line = self._lines[tenant_id]
        event_insert(
            cursor,
            event_type=SchedulerEvent.Type.CHECK_CYCLE,
            tenant_id=tenant_id,
            epoch=epoch,
            check_cycle_number=start.check_cycles,
            tasks_found=min(line.since.found, _MAX_INTEGER),
            tasks_executed=start.executed - line.executed,
            tasks_failed=start.failed - line.failed,
            tasks_by_type=dict(line.since.by_type),
            check_duration_seconds=seconds,
            event_data={"tasks_skipped": line.since.skipped},
        )
