"""100,000 due cursors of 1,000 tenants become executions: rows a second, beside plain SQL and beside peers."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from tests.benchmarks import plain_sql
from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.peers.schedules import measure_peers
from tests.benchmarks.population import make_jobs
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import interleaved

JOBS, TENANTS = 100_000, 1_000
# The five-minute tick that has just passed.
ALL_DUE = """
UPDATE jobs_cursor
SET last_scheduled_for = NULL, next_run_at = date_bin('5 minutes', clock_timestamp(), '2000-01-01 UTC')
"""
CLEAR = """
TRUNCATE executions_execution, executions_executionlog, executions_attempt, executions_executionoutput,
    executions_delta, executions_outcomenote
"""


def run(bench: Bench) -> Result:
    with our_database("bench_dispatch", tenants=TENANTS) as tenants, session() as own:
        make_jobs(own, tenants, JOBS)
        own.execute("ANALYZE")
        ours, plain = _measure(own, bench)
    peers, unmeasured = measure_peers(bench.rounds)
    figures = [Figure("dispatch.limit", ours, "rows/s", "plain SQL", plain, Goal("ratio", ">=", 0.6))]
    if peers:
        best = max(peers, key=lambda peer: peers[peer])
        figures.append(
            Figure(
                "dispatch.best-peer",
                ours,
                "rows/s",
                f"{best}, the best",
                peers[best],
                Goal("ratio", ">=", 20),
            )
        )
        figures += [
            Figure("dispatch.peer", ours, "rows/s", peer, rate)
            for peer, rate in peers.items()
            if peer != best
        ]
    figures += [Figure("dispatch.peer", ours, "rows/s", why) for why in unmeasured]
    chart = [("ours", ours), ("plain SQL", plain), *peers.items()]
    return Result(figures, chart=chart, chart_unit="due schedules/s")


def _measure(own: Session, bench: Bench) -> tuple[float, float]:
    from apps.jobs.dispatch import Dispatcher
    from apps.leadership.session import LeaderSession

    leader = LeaderSession.acquire(replica="benchmark", timings=patient())
    dispatcher = Dispatcher()

    def ours() -> float:
        prepare(own)
        return timed(lambda: dispatch_all(dispatcher, leader), expected=JOBS)

    def plain() -> float:
        prepare(own)
        return timed(lambda: plain_sql.dispatch(leader.connection, chunk=dispatcher.chunk), expected=JOBS)

    rates = interleaved({"ours": ours, "plain": plain}, rounds=bench.rounds)
    leader.close(reason="measured")
    return rates["ours"], rates["plain"]


def prepare(own: Session) -> None:
    keep_clear_of_the_next_tick()
    own.execute(CLEAR)
    own.execute(ALL_DUE)
    own.execute("VACUUM ANALYZE jobs_cursor, executions_execution")


def keep_clear_of_the_next_tick(*, seconds: float = 20.0) -> None:
    """Everything is due at a five-minute tick; one that came meanwhile would be dispatched as well."""
    left = 300 - time.time() % 300
    if left < seconds:
        time.sleep(left + 0.1)


def dispatch_all(dispatcher: Any, leader: Any) -> int:
    """The leader's step until it says that nothing is left; how many ticks fired."""
    fired, again = 0, True
    while again:
        result = dispatcher.run_once(leader)
        fired, again = fired + result.counts["fired"], result.again
    return fired


def timed(measured: Any, *, expected: int) -> float:
    """Rows a second. Raises RuntimeError when it did not move all of them."""
    started = time.perf_counter()
    rows: int = measured()
    seconds = time.perf_counter() - started
    if rows != expected:
        raise RuntimeError(f"{rows} rows instead of {expected}")
    return rows / seconds


def patient() -> Any:
    """The leader's timings, but for a session that idles while the tables are made ready."""
    from apps.leadership.timings import Timings

    return dataclasses.replace(Timings.from_settings(), idle_timeout=3600.0, trust_window=3600.0)
