"""What a tick of 5,000 due rows costs as tenants are added. Tenants beyond the first ten are rows without a schema,
which dispatch does not look at; each has ten jobs that are not due. Databases are measured in turn.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.dispatch import CLEAR, dispatch_all, keep_clear_of_the_next_tick, patient
from tests.benchmarks.population import make_jobs
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import interleaved

SIZES, DUE, JOBS_OF_EACH = (10, 1_000, 10_000), 5_000, 10
WITHIN = Goal("ratio", "<=", 1.2)
MORE_TENANTS = """
INSERT INTO tenants_tenant (schema_name, name, plan_id, status)
SELECT 'row' || n, 'Row ' || n, (SELECT id FROM tenants_plan WHERE name = 'standard'), 'active'
FROM generate_series(1, %(more)s) AS n
RETURNING id
"""
DUE_NOW = """
UPDATE jobs_cursor
SET last_scheduled_for = NULL, next_run_at = date_bin('5 minutes', clock_timestamp(), '2000-01-01 UTC')
WHERE job_id = ANY (%(jobs)s)
"""


class Sized:
    """A database with so many tenants, a leader of its own, and the jobs that are due."""

    def __init__(self, size: int, stack: ExitStack) -> None:
        from apps.jobs.dispatch import Dispatcher
        from apps.leadership.session import LeaderSession

        tenants = stack.enter_context(our_database(f"bench_flat_{size}", tenants=10))
        self.own: Session = stack.enter_context(session())
        self.few = [job for job, _ in make_jobs(self.own, tenants, DUE, later=True)]
        more = [row[0] for row in self.own.execute(MORE_TENANTS, {"more": size - len(tenants)})]
        others = [*(tenant.pk for tenant in tenants), *more]
        made = make_jobs(self.own, [_Row(pk) for pk in others], len(others) * JOBS_OF_EACH, later=True)
        # The same number of rows as `few`, over all tenants there are.
        self.spread = [job for job, _ in made[:DUE]] if size > len(tenants) else self.few
        self.own.execute("VACUUM ANALYZE")
        self.leader: Any = LeaderSession.acquire(replica=f"benchmark {size}", timings=patient())
        stack.callback(self.leader.close, reason="measured")
        self.dispatcher = Dispatcher()

    def tick(self, due: list[int]) -> float:
        """Milliseconds."""
        keep_clear_of_the_next_tick()
        self.own.execute(CLEAR)
        self.own.execute(DUE_NOW, {"jobs": due})
        self.own.execute("VACUUM ANALYZE jobs_cursor, executions_execution")
        started = time.perf_counter()
        fired = dispatch_all(self.dispatcher, self.leader)
        seconds = time.perf_counter() - started
        if fired != len(due):
            raise RuntimeError(f"{fired} executions instead of {len(due)}")
        return seconds * 1000


class _Row:
    """A tenant as `make_jobs` needs it."""

    def __init__(self, pk: int) -> None:
        self.pk = pk


def run(bench: Bench) -> Result:
    with ExitStack() as stack:
        sized = {size: Sized(size, stack) for size in SIZES}
        few = interleaved(
            {str(size): partial(one.tick, one.few) for size, one in sized.items()},
            rounds=max(bench.rounds, 5),
        )
        spread = interleaved(
            {str(size): partial(one.tick, one.spread) for size, one in sized.items()}, rounds=bench.rounds
        )
    first = str(SIZES[0])
    figures = [
        Figure(f"flat_tenants.{size}-tenants", few[str(size)], "ms", f"{first} tenants", few[first], WITHIN)
        for size in SIZES[1:]
    ]
    figures += [
        Figure(f"flat_tenants.{size}-due-of-all", spread[str(size)], "ms", f"{first} tenants", spread[first])
        for size in SIZES[1:]
    ]
    note = f"The goal is for the same rows of {first} tenants. *Due of all*: as many rows, of up to 5,000 tenants."
    return Result(figures, note=note)
