"""One tenant's endpoint never answers, and a thousand deliveries to it wait; when do the others' start?

99 tenants, a delivery every 10 ms; the lag from then to the start in the ledger. Each round has a worker of its own.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.endpoints import Receiving, delivery
from tests.benchmarks.population import executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import percentile
from tests.benchmarks.running import Processes, processes, wait_for_worker

TENANTS, HANGING, RUNS, APART = 100, 1_000, 1_000, 0.01
TOO_BUSY = 250.0  # ms: whoever is as late without a cause tells nothing
LAGS = """
SELECT extract(epoch FROM started_at - run_at) * 1000 FROM executions_executionlog
WHERE tenant_id <> %(hanging)s AND status = 'success' ORDER BY run_at
"""
CLEAR = (
    "TRUNCATE executions_execution, executions_executionlog, executions_attempt, executions_executionoutput"
)


def run(bench: Bench) -> Result:
    p99: dict[bool, list[float]] = {False: [], True: []}
    with our_database("bench_hanging", tenants=TENANTS) as tenants, session() as own, processes() as children:
        receiving = Receiving(children)
        receiving.of(tenants[1:])
        receiving.of(tenants[:1], "hang")
        content = delivery()
        hanging = make_jobs(own, tenants[:1], 100, target="http_request", content=content)
        others = make_jobs(own, tenants[1:], 990, target="http_request", content=content)
        own.execute("ANALYZE")
        for _ in range(bench.rounds):
            for hang in p99:
                lags = one_round(children, own, others, hanging if hang else [], receiving, tenants[0])
                p99[hang].append(percentile(lags, 99))
    quiet, disturbed = (statistics.median(p99[hang]) for hang in (False, True))
    growth = disturbed - quiet if quiet < TOO_BUSY else None
    figures = [
        Figure("http_hanging.p99", disturbed, "ms", "nobody hanging", quiet),
        Figure("http_hanging.growth", growth, "ms", goal=Goal("value", "<", 50)),
    ]
    return Result(figures, note="" if growth is not None else "The machine was too busy to tell.")


def one_round(
    children: Processes,
    own: Session,
    others: list[tuple[int, int]],
    hanging: list[tuple[int, int]],
    receiving: Receiving,
    tenant: Any,
) -> list[float]:
    """Milliseconds."""
    own.execute(CLEAR)
    children.worker()
    wait_for_worker(children, own)
    if hanging:
        put(own, executions(hanging, HANGING, target="http_request"))
        children.wait_for(lambda: receiving.counts()["held"] > 0, "requests hang", every=0.1)
    params = {"hanging": tenant.pk}
    put(own, executions(others, len(others), target="http_request"))  # their content is read once
    delivered(children, own, params, len(others))
    for number in range(RUNS):
        time.sleep(APART)
        put(own, executions([others[number % len(others)]], 1, target="http_request"))
    lags = delivered(children, own, params, len(others) + RUNS)
    children.kill("worker")
    children.wait_for(lambda: receiving.counts()["held"] == 0, "the hanging ended", every=0.1)
    return lags[len(others) :]


def delivered(children: Processes, own: Session, params: dict[str, Any], count: int) -> list[float]:
    """The lags of so many deliveries, once they are in the ledger."""
    rows: list[tuple[Any, ...]] = []

    def all_of_them() -> bool:
        rows[:] = own.execute(LAGS, params).fetchall()
        return len(rows) == count

    children.wait_for(all_of_them, "all were delivered", every=0.2)
    return [float(lag) for (lag,) in rows]
