"""100 jobs every second for 30 seconds: milliseconds from a tick to the first line of its execution."""

from __future__ import annotations

import statistics
import time

from tests.benchmarks.bench import Bench, Result, Session, scalar, session
from tests.benchmarks.databases import empty_database, our_database
from tests.benchmarks.peers.install import NotMeasured, python_command, version_of
from tests.benchmarks.population import PAYLOAD, make_jobs
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import percentile
from tests.benchmarks.running import Processes, processes, wait_for_leader, wait_for_worker

TENANTS, JOBS, SECONDS, WARM_UP = 100, 100, 30, 5
PERCENTS = (50, 99)
BEGIN = "UPDATE jobs_cursor SET next_run_at = date_trunc('second', clock_timestamp()) + interval '2 seconds'"
END = "UPDATE jobs_cursor SET next_run_at = NULL"
LIVE = "SELECT EXISTS (SELECT FROM executions_execution)"
SKIPPED = "SELECT coalesce(sum(count), 0)::bigint FROM executions_skip"
ACCOUNTED = """
SELECT extract(epoch FROM last_scheduled_for - %(first)s)::bigint + 1 FROM jobs_cursor
WHERE last_scheduled_for >= %(first)s
"""
WAKE = "SELECT pg_notify('scheduler_jobs', '')"


def run(bench: Bench) -> Result:
    lags: dict[str, list[list[float]]] = {"ours": []}
    why = ""
    with our_database("bench_ticks", tenants=TENANTS) as tenants, session() as own, processes() as children:
        make_jobs(own, tenants, JOBS, target="bench.lag", trigger="interval", seconds=1, content=PAYLOAD)
        own.execute("ANALYZE")
        children.scheduler()
        children.worker()
        wait_for_leader(children, own)
        wait_for_worker(children, own)
        ticks(children, own, WARM_UP)
        for _ in range(bench.rounds):
            lags["ours"].append(ticks(children, own, SECONDS))
            try:
                lags.setdefault(version_of("APScheduler"), []).append(_apscheduler())
            except NotMeasured as reason:
                why = f"APScheduler (not measured: {reason})"
    measured = {name: rounds for name, rounds in lags.items() if rounds}
    figures, chart = [], []
    for percent in PERCENTS:
        at = {
            name: statistics.median(percentile(one, percent) for one in rounds)
            for name, rounds in measured.items()
        }
        against, theirs = next(((name, value) for name, value in at.items() if name != "ours"), (why, None))
        goal = Goal("value", "<", 25) if percent == 99 else None
        figures.append(Figure(f"tick_lag.p{percent}", at["ours"], "ms", against, theirs, goal))
        chart = list(at.items())
    return Result(figures, chart=chart, chart_unit="ms, p99")


def ticks(children: Processes, own: Session, seconds: int) -> list[float]:
    """Of about so many seconds. A tick that was skipped, because the one before it still ran, counts as a second late.

    Raises RuntimeError unless every tick has run once or was skipped.
    """
    before = len(children.lags("worker"))
    skipped = scalar(own, SKIPPED)
    own.execute(BEGIN)
    first = scalar(own, "SELECT min(next_run_at) FROM jobs_cursor")
    own.execute(WAKE)
    time.sleep(seconds + 2)
    own.execute(END)
    children.wait_for(lambda: not scalar(own, LIVE), "an idle worker")
    expected = sum(ticks for (ticks,) in own.execute(ACCOUNTED, {"first": first}))
    skipped = scalar(own, SKIPPED) - skipped
    lags = children.lags("worker")[before:]
    if len(lags) + skipped != expected:
        raise RuntimeError(f"of {expected} ticks {len(lags)} ran and {skipped} were skipped")
    return lags + [1000.0] * skipped


def _apscheduler() -> list[float]:
    with (
        empty_database("bench_apscheduler") as url,
        processes(database=url, logs_in="APScheduler") as children,
    ):
        children.start_command("ticks", [*python_command("apscheduler_driver"), "ticks", url, str(SECONDS)])
        children.wait_for_line("ticks", "ticked", within=SECONDS + 60, ended=True)
        return children.lags("ticks")
