"""100,000 jobs of one tenant are due at once; when do another tenant's ten jobs of the same second start?

A real scheduler and a real worker, the standard plan's caps. Start times are the ledger's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.benchmarks.bench import Bench, Result, Session, scalar, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.population import PAYLOAD, make_jobs
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.running import Processes, processes, wait_for_leader, wait_for_worker

TENANTS, MANY, FEW = 100, 100_000, 10
PLACE = "UPDATE jobs_job SET anchor_at = %(due)s"
DUE = "UPDATE jobs_cursor SET next_run_at = %(due)s, last_scheduled_for = NULL"
STARTED = """
SELECT extract(epoch FROM started_at - scheduled_for) * 1000 FROM executions_executionlog
WHERE tenant_id = %(tenant)s AND scheduled_for = %(due)s AND status = 'success'
"""


def run(bench: Bench) -> Result:
    with (
        our_database("bench_fairness", tenants=TENANTS) as tenants,
        session() as own,
        processes() as children,
    ):
        make_jobs(own, tenants[:1], MANY, trigger="interval", seconds=86_400, content=PAYLOAD)
        make_jobs(own, tenants[1:2], FEW, trigger="interval", seconds=86_400, content=PAYLOAD)
        own.execute("VACUUM ANALYZE")
        children.scheduler()
        children.worker()
        wait_for_leader(children, own)
        wait_for_worker(children, own)
        lags = [one_burst(children, own, tenants[1]) for _ in range(bench.rounds + 1)][1:]
    worst = max(max(round_) for round_ in lags)
    return Result(
        [Figure("fairness.last-of-ten", worst, "ms", goal=Goal("value", "<", 250))],
        note=f"The last of the ten in the worst of {bench.rounds} rounds.",
    )


def one_burst(children: Processes, own: Session, other: Any) -> list[float]:
    """Milliseconds after their due time at which the ten started."""
    due: datetime = scalar(own, "SELECT date_trunc('second', clock_timestamp()) + interval '15 seconds'")
    own.execute(PLACE, {"due": due})
    own.execute(DUE, {"due": due})
    own.execute("VACUUM jobs_cursor")
    if not scalar(own, f"SELECT clock_timestamp() < '{due.isoformat()}'"):
        raise RuntimeError("the machine is too slow to place the jobs before they are due")
    own.execute("SELECT pg_notify('scheduler_jobs', '')")
    params = {"tenant": other.pk, "due": due}
    children.wait_for(
        lambda: len(own.execute(STARTED, params).fetchall()) == FEW, "the ten ran", within=120, every=0.1
    )
    lags = [float(lag) for (lag,) in own.execute(STARTED, params)]
    own.execute("UPDATE jobs_cursor SET next_run_at = NULL")
    clear = "DELETE FROM executions_execution WHERE state = 'pending'"
    children.wait_for(
        lambda: (
            own.execute(clear).rowcount == 0
            and not scalar(own, "SELECT EXISTS (SELECT FROM executions_execution)")
        ),
        "an empty queue",
        within=120,
        every=0.5,
    )
    own.execute("VACUUM executions_execution")
    return lags
