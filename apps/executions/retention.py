"""The leader's step that lets go of what is old: whole partitions, and of each tenant what its plan no longer keeps.

Everything goes in small transactions with a rest after each that is a multiple of the time it took, so that what is
due never waits long behind it. Counts go down in the transaction in which rows do (deltas below zero), and cumulative
totals stay. Rows of a tenant are deleted in its own scope: the machine cannot see outputs, and so cannot delete them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import psycopg

from apps.executions import retirement
from apps.executions.dropping import drop_old_partitions
from apps.executions.retirement import Delete, Stale, read
from apps.leadership import journal
from apps.leadership import statements as leadership
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult
from apps.tenants.idempotency import answers_delete

BATCH = 200  # rows of one transaction
TENANTS = 100  # looked at together
REST = 4.0  # times what a transaction took
ROW_TIMEOUT = "100ms"
BLOCKED_PAUSE = 5.0
JOURNAL_DAYS = 30  # of the scheduler's own lines
TERM_DAYS = 400

Pieces = Iterator[dict[str, int]]  # each has done one transaction's work, and says what it deleted


class Retention:
    """Drops what can be dropped whole, then goes through the tenants, and rests `every` seconds until the next round.

    A run does one piece of work. What somebody else holds is left to the next round. `rest` 0: a round without rests,
    for a leader that leads for one check.
    """

    name = "retention"

    def __init__(
        self, *, every: float = 1800.0, rest: float = REST, batch: int = BATCH, tenants: int = TENANTS
    ) -> None:
        self.every = every
        self._rest = rest
        self._batch = batch
        self._tenants = tenants
        self._session: LeaderSession | None = None
        self._round: Pieces = iter(())

    def run_once(self, session: LeaderSession) -> StepResult:
        """One piece. Raises what the session raises; the next run then begins a new round."""
        if self._session is not session:
            self._session, self._round = session, self._go_round(session)
        started = time.monotonic()
        try:
            counts = next(self._round, None)
        except BaseException:
            self._session = None
            raise
        if counts is None:
            self._session = None
            return StepResult()
        if not self._rest:
            return StepResult(counts, again=True)
        pause = BLOCKED_PAUSE if "retention_blocked" in counts else 0.0
        return StepResult(counts, wake_in=pause + (time.monotonic() - started) * self._rest)

    def _go_round(self, session: LeaderSession) -> Pieces:
        yield from drop_old_partitions(session)
        after = 0
        while chunk := read(session, retirement.stale(after=after, limit=self._tenants)):
            yield {}
            for tenant in chunk:
                yield from self._of_tenant(session, tenant)
            after = chunk[-1].tenant_id
        yield from self._repeated(session, "terms", partial(leadership.delete_terms, days=TERM_DAYS))
        yield from self._repeated(
            session, "refused_writes", partial(leadership.delete_refused_writes, days=TERM_DAYS)
        )
        yield from self._repeated(session, "events", partial(journal.own_events_delete, days=JOURNAL_DAYS))

    def _of_tenant(self, session: LeaderSession, of: Stale) -> Pieces:
        if of.hour is not None:
            yield from self._executions(session, of, of.hour)
        chores: list[tuple[str, bool, Delete]] = [
            ("skips_retired", of.skips, retirement.skips_of(of)),
            ("events", of.events, partial(journal.events_delete, tenant_id=of.tenant_id, before=of.cutoff)),
            ("answers", of.answers, partial(answers_delete, tenant_id=of.tenant_id)),
            ("usage", of.usage, retirement.usage_of(of)),
            ("imports", of.imports, retirement.imports_of(of)),
        ]
        for name, there_are, delete in chores:
            if there_are:
                yield from self._repeated(session, name, delete, of)

    def _executions(self, session: LeaderSession, of: Stale, hour: datetime) -> Pieces:
        """Day by day, as the counters know of them."""
        next_hour: datetime | None = hour
        while next_hour is not None:
            day = next_hour.replace(hour=0)
            piece: dict[str, int] = {}
            for piece in self._repeated(session, "executions_retired", retirement.executions_of(of, day), of):
                yield piece
            if not piece:
                yield self._settle(session, of, day)
            next_hour = read(
                session,
                retirement.next_stale_hour(
                    tenant_id=of.tenant_id, since=day + timedelta(days=1), cutoff=of.cutoff
                ),
            )

    def _settle(self, session: LeaderSession, of: Stale, day: datetime) -> dict[str, int]:
        """The counters know of a day that has no row. So it is where users were mapped to other ids after their
        executions were counted: one cell is above zero by what the other is below.
        """
        with session.transaction() as cursor:
            retirement.enter_tenant(of.schema_name).on(cursor)
            if deleted := retirement.executions_of(of, day)(cursor, limit=self._batch):
                return {"executions_retired": deleted}  # finished just now; the next round comes by again
            ends = min(day + timedelta(days=1), of.cutoff)
            retirement.retire_cells(begins=day, ends=ends, tenant_id=of.tenant_id).on(cursor)
        return {"days_settled": 1}

    def _repeated(
        self,
        session: LeaderSession,
        name: str,
        delete: Delete,
        of: Stale | None = None,
    ) -> Pieces:
        """Batches until one is not full; in the scope of a tenant where one is given."""
        while True:
            try:
                with session.transaction() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{ROW_TIMEOUT}'")
                    if of is not None:
                        retirement.enter_tenant(of.schema_name).on(cursor)
                    deleted = delete(cursor, limit=self._batch)
            except psycopg.errors.LockNotAvailable:
                yield {"retention_blocked": 1}
                return
            yield {name: deleted} if deleted else {}
            if deleted < self._batch:
                return
