"""Signed deliveries a second from one worker to a receiver on this machine, beside aiohttp doing nothing else."""

from __future__ import annotations

import time

from tests.benchmarks.bench import Bench, Result, Session, scalar, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.endpoints import Receiving, delivery
from tests.benchmarks.population import executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.running import Processes, module, processes, wait_for_worker

TENANTS, JOBS, DELIVERIES = 100, 1_000, 10_000
LEFT = "SELECT EXISTS (SELECT FROM executions_execution)"


def run(bench: Bench) -> Result:
    with our_database("bench_http", tenants=TENANTS) as tenants, session() as own, processes() as children:
        receiving = Receiving(children)
        receiving.of(tenants)
        jobs = make_jobs(own, tenants, JOBS, target="http_request", content=delivery())
        own.execute("ANALYZE")
        children.worker()
        wait_for_worker(children, own)
        rates = interleaved(
            {
                "ours": lambda: deliver(children, own, receiving, jobs),
                "bare": lambda: bare(children, receiving),
            },
            rounds=bench.rounds,
        )
    goal = Goal("value", ">=", 2000)
    figure = Figure(
        "http.deliveries", rates["ours"], "deliveries/s", "bare aiohttp, unsigned", rates["bare"], goal
    )
    return Result([figure])


def deliver(children: Processes, own: Session, receiving: Receiving, jobs: list[tuple[int, int]]) -> float:
    before = receiving.counts()
    put(own, executions(jobs, DELIVERIES, target="http_request"))
    started = time.perf_counter()
    children.wait_for(lambda: not scalar(own, LEFT), "an empty queue", within=120)
    seconds = time.perf_counter() - started
    after = receiving.counts()
    if any(after[name] - before[name] != DELIVERIES for name in ("answered", "signed")):
        raise RuntimeError(f"{DELIVERIES} deliveries, but the receiver went from {before} to {after}")
    return DELIVERIES / seconds


def bare(children: Processes, receiving: Receiving) -> float:
    children.start("bare", module("bare_http", receiving.url(), DELIVERIES))
    return float(children.wait_for_line("bare", "rate", ended=True))
