"""Milliseconds from the call that puts a job into the queue to the job's first line, one at a time, an idle worker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.peers.queues import PEERS, NotMeasured, running_peer
from tests.benchmarks.population import PAYLOAD, executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import percentile
from tests.benchmarks.running import Processes, processes, wait_for_worker

TENANTS, JOBS, RUNS, APART = 100, 100, 300, 0.02
GOALS = {50: Goal("value", "<", 1.5), 99: Goal("value", "<", 3)}


def run(bench: Bench) -> Result:
    lags: dict[str, list[list[float]]] = {}
    unmeasured = []
    with ExitStack() as stack:
        tenants = stack.enter_context(our_database("bench_latency", tenants=TENANTS))
        own = stack.enter_context(session())
        jobs = make_jobs(own, tenants, JOBS, target="bench.lag", content=PAYLOAD)
        own.execute("ANALYZE")
        children = stack.enter_context(processes())
        children.worker()
        wait_for_worker(children, own)
        contenders: dict[str, Callable[[], list[float]]] = {"ours": partial(trickle, children, own, jobs)}
        for name in ("pgqueuer", "graphile-worker"):
            try:
                peer = stack.enter_context(running_peer(PEERS[name]))
            except NotMeasured as reason:
                unmeasured.append(
                    Figure("start_latency.peer", None, "ms", f"{name} (not measured: {reason})")
                )
            else:
                contenders[peer.title] = partial(peer.trickle, RUNS)
        for number in range(bench.rounds + 1):
            for name, measure in contenders.items():
                measured = measure()
                if number:
                    lags.setdefault(name, []).append(measured)
    figures = []
    for percent, goal in GOALS.items():
        at = {
            name: statistics.median(percentile(one, percent) for one in rounds)
            for name, rounds in lags.items()
        }
        others = [(name, value) for name, value in at.items() if name != "ours"]
        figures += [
            Figure(f"start_latency.p{percent}", at["ours"], "ms", name, value, None if number else goal)
            for number, (name, value) in enumerate(others or [("", None)])
        ]
        if percent == 99:
            chart = list(at.items())
    return Result([*figures, *unmeasured], chart=chart, chart_unit="ms, p99")


def trickle(children: Processes, own: Session, jobs: list[tuple[int, int]]) -> list[float]:
    before = len(children.lags("worker"))
    for number in range(RUNS):
        time.sleep(APART)
        put(own, executions([jobs[number % len(jobs)]], 1, target="bench.lag"))
    children.wait_for(lambda: len(children.lags("worker")) >= before + RUNS, "all executions ran")
    return children.lags("worker")[before:]
