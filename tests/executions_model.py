"""The life of executions as a person would tell it, in dicts: what the statements in `apps/executions/sql` should do.

No SQL, no clock and no session: the machine of `tests/test_execution_state_machine.py` says what happened, this says
what must be so afterwards. What only the database can know (ids, tokens, the time at which a retry may start) it is
told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from apps.executions.queue import Claimed

MAX_LOST = 3
TICKS = ("scheduled", "backfill")
State = Literal["pending", "leased", "ended", "skipped", "repeated"]


@dataclass(eq=False, slots=True, repr=False)
class Run:
    """An execution. `repeated` is one whose tick was in the ledger already: it ended without a row of its own."""

    tenant_id: int
    job_id: int
    kind: str
    scheduled_for: datetime
    run_at: datetime
    due: bool
    priority: int = 0
    max_attempts: int = 1
    max_concurrency: int | None = None
    retry_of: int | None = None
    fired: bool = False
    id: int = 0
    rank: int | None = None
    state: State = "pending"
    attempt: int = 0
    lost: int = 0
    released: int = 0
    lease: Lease | None = None
    status: str | None = None
    tries: list[tuple[int, str]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id} of job {self.job_id}: {self.state}, {self.tries}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # for Hypothesis
        printer.text(repr(self))

    @property
    def key(self) -> tuple[object, ...]:
        """What the queue holds once."""
        return self.job_id, self.scheduled_for, self.kind, self.retry_of

    @property
    def is_live(self) -> bool:
        return self.state in ("pending", "leased")

    @property
    def failures(self) -> int:
        return sum(outcome in ("failed", "timeout") for _, outcome in self.tries)


@dataclass(eq=False, slots=True, repr=False)
class Lease:
    """One claim of a run, good or stale."""

    run: Run
    claimed: Claimed
    worker: str
    expired: bool = False

    def __repr__(self) -> str:
        return f"<{'good' if self.is_good else 'stale'} lease of {self.worker} on {self.run}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    @property
    def is_good(self) -> bool:
        return self.run.lease is self


@dataclass(eq=False)
class Model:
    """Everything that happened since the queue was empty. `cap` is the plan's; 0 is none."""

    cap: int = 0
    runs: dict[int, Run] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=list)
    skips: dict[tuple[int, datetime], str] = field(default_factory=dict)
    notes: Counter[tuple[int, str]] = field(default_factory=Counter)
    unfolded: Counter[str] = field(default_factory=Counter)

    def live(self) -> list[Run]:
        return [run for run in self.runs.values() if run.is_live]

    def pending(self) -> list[Run]:
        return [run for run in self.runs.values() if run.state == "pending"]

    def good(self) -> list[Lease]:
        return [lease for lease in self.leases if lease.is_good]

    def ledger(self) -> list[Run]:
        return [run for run in self.runs.values() if run.state == "ended"]

    # -- into the queue ----------------------------------------------------------------------------------------------

    def enqueue(self, given: Sequence[Run]) -> list[Run]:
        """Those that are made; their ids are not known yet. What is live already takes up its place all the same."""
        self.rank(given)
        live = {run.key for run in self.live()}
        return [run for run in given if run.key not in live]

    def rank(self, given: Iterable[Run]) -> None:
        """A place for those that may run: after their tenant's last one of the same or a higher priority, but no
        earlier than the first place that anybody waits at. Tenants take turns.
        """
        waiting = [run for run in self.pending() if run.rank is not None]
        clock = min((run.rank for run in waiting if run.rank is not None), default=1) - 1
        by_tenant: dict[int, list[Run]] = {}
        for run in given:
            if run.due:
                by_tenant.setdefault(run.tenant_id, []).append(run)
        for tenant_id, runs in by_tenant.items():
            ahead = [run for run in waiting if run.tenant_id == tenant_id]
            runs.sort(key=lambda run: (-run.priority, run.run_at, run.scheduled_for, run.job_id))
            for number, run in enumerate(runs, 1):
                before = (other.rank or 0 for other in ahead if other.priority >= run.priority)
                run.rank = max(clock, 0, *before) + number

    def unranked(self) -> list[Run]:
        return [run for run in self.pending() if run.due and run.rank is None]

    # -- out of it -----------------------------------------------------------------------------------------------------

    def next_ones(self, limit: int) -> list[Run]:
        """Whom a claim takes: in the queue's order whoever finds a place within its job's cap and its tenant's."""
        waiting = [run for run in self.pending() if run.rank is not None]
        waiting.sort(key=lambda run: (run.rank, -run.priority, run.id))
        leased = [run for run in self.runs.values() if run.state == "leased"]
        of_job, of_tenant = Counter(run.job_id for run in leased), Counter(run.tenant_id for run in leased)
        ahead = Counter[
            int
        ]()  # of a job, those with a cap: who is held back keeps its place before those behind it
        taken: list[Run] = []
        for run in waiting:
            if len(taken) == limit:
                break
            within_job = True
            if run.max_concurrency is not None:
                ahead[run.job_id] += 1
                within_job = of_job[run.job_id] + ahead[run.job_id] <= run.max_concurrency
            if within_job and (self.cap == 0 or of_tenant[run.tenant_id] < self.cap):
                taken.append(run)
                of_tenant[run.tenant_id] += 1
        return taken

    def lease(self, run: Run, claimed: Claimed, worker: str) -> None:
        run.state, run.attempt = "leased", run.attempt + 1
        run.lease = Lease(run, claimed, worker)
        self.leases.append(run.lease)

    def settle(self, lease: Lease, outcome: str, *, again: bool, run_at: datetime | None = None) -> str:
        """A worker's word. `stale` is said in vain; `again`: it will be tried once more."""
        run = lease.run
        if not lease.is_good:
            return "stale"
        run.tries.append((run.attempt, outcome))
        if again:
            self._back(run)
            run.rank = None
            return "again"
        return self._end(run, "success" if outcome == "success" else "failed", note=True)

    def release(self, lease: Lease, *, begun: bool) -> bool:
        run = lease.run
        if not lease.is_good:
            return False
        if begun:
            run.tries.append((run.attempt, "released"))
            run.released += 1
        else:
            run.attempt -= 1
        self._back(run)
        return True

    def reap(self, locked: Collection[Run] = ()) -> tuple[int, int]:
        """How many leases were taken back, and how many runs that ended."""
        expired = [lease for lease in self.good() if lease.expired and lease.run not in locked]
        ended = 0
        for lease in expired:
            run = lease.run
            run.tries.append((run.attempt, "lost"))
            if run.lost + 1 < MAX_LOST:
                run.lost += 1
                self._back(run)
            else:
                ended += self._end(run, "failed", note=True) == "ended"
        return len(expired), ended

    def cancel(self, run: Run, *, note: bool = True) -> None:
        if run.state == "leased":
            run.tries.append((run.attempt, "cancelled"))
        self._end(run, "failed", note=note)

    def cancel_waiting(self, job_id: int, reason: str) -> list[int]:
        waiting = [run for run in self.pending() if run.job_id == job_id]
        for run in waiting:
            if run.kind == "scheduled" and run.attempt == 0:
                self.skip(run, reason)
            else:
                self.cancel(run, note=False)
        return sorted(run.id for run in waiting)

    def make_way(self, job_id: int) -> None:
        """For the newest tick of a job whose runs replace each other."""
        for run in self.live():
            if run.job_id == job_id and run.kind == "scheduled":
                if run.attempt == 0:
                    self.skip(run, "overlap")
                else:
                    self.cancel(run)

    def skip(self, run: Run, reason: str) -> None:
        run.state, run.lease = "skipped", None
        self.skips.setdefault((run.job_id, run.scheduled_for), reason)

    def is_in_the_way(self, job_id: int) -> bool:
        """Whether a tick of a job that skips overlaps has one."""
        return any(
            run.kind != "backfill" if run.lease is None else not run.lease.expired
            for run in self.live()
            if run.job_id == job_id
        )

    def ticks_taken(self, job_id: int) -> set[datetime]:
        return {
            run.scheduled_for
            for run in [*self.live(), *self.ledger()]
            if run.job_id == job_id and run.kind in TICKS
        }

    def _back(self, run: Run) -> None:
        run.state, run.lease = "pending", None

    def _end(self, run: Run, status: str, *, note: bool) -> str:
        run.lease = None
        if run.kind in TICKS and any(run.key == ended.key for ended in self.ledger()):
            run.state = "repeated"
            return "repeated"
        run.state, run.status = "ended", status
        self.unfolded[status] += 1
        if note and run.kind != "backfill":
            self.notes[run.job_id, status] += 1
        return "ended"
