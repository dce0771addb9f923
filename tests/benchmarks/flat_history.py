"""What it costs to claim 5,000 executions in batches of 500: with an empty history, with ten million rows of it, and
after a million rows have gone through the queue. Three databases in turn; claims
are timed by themselves, completions beside them.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from functools import partial

from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.ledger_reads import FILL, PARTITIONS
from tests.benchmarks.population import executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import interleaved

TENANTS, JOBS, ROWS, BATCH = 100, 1_000, 5_000, 500
HISTORY, CHURN, CHURNED_AT_ONCE = 10_000_000, 1_000_000, 10_000
WITHIN = Goal("ratio", "<=", 1.2)
RESULT = json.dumps({"text": "r" * 185})
LEASE = "UPDATE executions_execution SET state = 'leased', attempt = 1, lease_token = gen_random_uuid()"
INDEXES = """
SELECT replace(indexdef, ' ON ONLY ', ' ON '), format('DROP INDEX %I', indexname) FROM pg_indexes AS i
WHERE tablename = 'executions_executionlog'
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = i.indexname)
"""


class Aged:
    """A database with a past."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        from apps.executions.queue import PINNED_PLANS

        tenants = stack.enter_context(our_database(f"bench_{name}", tenants=TENANTS))
        self.own: Session = stack.enter_context(session())
        self.worker: Session = stack.enter_context(session(**PINNED_PLANS))
        self.jobs = make_jobs(self.own, tenants, JOBS)
        self.first_tenant = tenants[0].pk
        self.own.execute("ANALYZE")

    def remember(self, rows: int) -> None:
        """So many rows of history, of one tenant over 30 days: a partition a day, every index."""
        self.own.execute(PARTITIONS)
        dropped = self.own.execute(INDEXES).fetchall()
        for _, drop in dropped:
            self.own.execute(drop)  # made again when the rows are there: the same tables, sooner
        self.own.execute(FILL, {"tenant": self.first_tenant, "rows": rows})
        for definition, _ in dropped:
            self.own.execute(definition)
        self.own.execute("VACUUM ANALYZE executions_executionlog")

    def churn(self, rows: int) -> None:
        """So many rows put into the queue, leased and deleted, as work does. Vacuumed as the server sees fit."""
        for first in range(0, rows, CHURNED_AT_ONCE):
            put(self.own, executions(self.jobs, CHURNED_AT_ONCE, first=first))
            self.own.execute(LEASE)
            self.own.execute("DELETE FROM executions_execution")

    def claim(self) -> float:
        return self._work()[0]

    def complete(self) -> float:
        return self._work()[1]

    def _work(self) -> tuple[float, float]:
        """Milliseconds of all claims, and of all completions."""
        from apps.executions.queue import Finished, claim, complete

        put(self.own, executions(self.jobs, ROWS))
        claiming = completing = 0.0
        done = 0
        with self.worker.cursor() as cursor:
            while True:
                started = time.perf_counter()
                rows = claim(worker="benchmark", limit=BATCH, lease_seconds=30).on(cursor)
                claimed = time.perf_counter()
                if not rows:
                    break
                ends = [
                    Finished(row.id, row.token, "success", row.leased_at, row.leased_at, result=RESULT)
                    for row in rows
                ]
                before = time.perf_counter()
                done += complete(ends).on(cursor).completed
                claiming += claimed - started
                completing += time.perf_counter() - before
        if done != ROWS:
            raise RuntimeError(f"{done} executions instead of {ROWS}")
        return claiming * 1000, completing * 1000


def run(bench: Bench) -> Result:
    figures = []
    with ExitStack() as stack:
        aged = {name: Aged(name, stack) for name in ("empty", "history", "churn")}
        aged["history"].remember(HISTORY)
        aged["churn"].churn(CHURN)
        for what in ("claim", "complete"):
            took = interleaved(
                {name: partial(getattr(one, what)) for name, one in aged.items()}, rounds=max(bench.rounds, 5)
            )
            figures += [
                Figure(
                    f"flat_history.{what}-after-{name}",
                    took[name],
                    "ms",
                    "an empty database",
                    took["empty"],
                    WITHIN if what == "claim" else None,
                )
                for name in ("history", "churn")
            ]
    return Result(
        figures, note=f"{ROWS:,} rows in batches of {BATCH}; {HISTORY:,} rows of history; {CHURN:,} churned."
    )
