"""The tenants' lines in the journal: a check_cycle with a tenant's own numbers, at most one a minute while it has work.

What happens between two lines is kept in the leader's memory and told by the next one. A leader that dies takes at most
a minute of it along; the cumulative totals, written with each dispatch, never miss anything.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from apps.jobs import statements
from apps.jobs.rows import CycleStart
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent

LINE_EVERY = 60.0  # seconds
_MAX_INTEGER = 2**31 - 1


@dataclass(slots=True)
class Work:
    """Ticks found for one tenant, those of them that were skipped, and all of them by type of task."""

    found: int = 0
    skipped: int = 0
    by_type: Counter[str] = field(default_factory=Counter)

    def add(self, other: Work) -> None:
        self.found += other.found
        self.skipped += other.skipped
        self.by_type.update(other.by_type)


@dataclass(slots=True)
class _Line:
    """The last line of a tenant: when (monotonic), what its totals were then, and what came since."""

    at: float
    executed: int
    failed: int
    since: Work = field(default_factory=Work)


class TenantJournal:
    """`open` before a transaction, `write` inside it, `close` once it is committed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: dict[int, _Line] = {}

    def open(self, session: statements.Reader, tenant_ids: Iterable[int]) -> dict[int, CycleStart]:
        """Those of the tenants that get a line now. Another leader may have written one: the database says."""
        now = self._clock()
        asked = [tenant_id for tenant_id in tenant_ids if self._is_due(tenant_id, now)]
        starts = statements.read_cycles(session, asked) if asked else {}
        for tenant_id, start in starts.items():
            known = self._lines.get(tenant_id)
            if start.age is not None and (known is None or start.age < now - known.at - 1.0):
                since = known.since if known else Work()
                self._lines[tenant_id] = _Line(now - start.age, start.executed, start.failed, since)
        return {tenant_id: start for tenant_id, start in starts.items() if self._is_due(tenant_id, now)}

    def idle(self) -> list[int]:
        """Tenants with numbers to tell whose minute is over."""
        now = self._clock()
        return [
            tenant_id
            for tenant_id, line in self._lines.items()
            if line.since.found and self._is_due(tenant_id, now)
        ]

    def wait(self) -> float | None:
        """Seconds until `idle` names the next tenant; None while nobody has numbers to tell."""
        waiting = [line.at for line in self._lines.values() if line.since.found]
        return max(min(waiting) + LINE_EVERY - self._clock(), 0.0) if waiting else None

    def write(
        self,
        cursor: statements.Session,
        starts: Mapping[int, CycleStart],
        work: Mapping[int, Work],
        *,
        epoch: int,
        seconds: float,
    ) -> None:
        """A line for each of `starts`: what came since its last one, with this transaction's `work`."""
        for tenant_id, start in starts.items():
            line = self._lines.get(tenant_id) or _Line(0.0, 0, 0)
            told = Work()
            told.add(line.since)
            told.add(work.get(tenant_id, Work()))
            event_insert(
                cursor,
                event_type=SchedulerEvent.Type.CHECK_CYCLE,
                tenant_id=tenant_id,
                epoch=epoch,
                check_cycle_number=start.check_cycles + (tenant_id in work),
                tasks_found=min(told.found, _MAX_INTEGER),
                tasks_executed=start.executed - line.executed,
                tasks_failed=start.failed - line.failed,
                tasks_by_type=dict(told.by_type),
                check_duration_seconds=seconds,
                event_data={"tasks_skipped": told.skipped},
            )

    def close(self, starts: Mapping[int, CycleStart], work: Mapping[int, Work]) -> None:
        """The transaction is committed."""
        now = self._clock()
        for tenant_id, done in work.items():
            if tenant_id not in starts:
                self._lines[tenant_id].since.add(done)
        for tenant_id, start in starts.items():
            self._lines[tenant_id] = _Line(now, start.executed, start.failed)

    def _is_due(self, tenant_id: int, now: float) -> bool:
        line = self._lines.get(tenant_id)
        return line is None or now - line.at >= LINE_EVERY
