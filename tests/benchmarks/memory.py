"""Peaks of resident memory: a worker with 5,000 requests in flight, a scheduler with a million cursors."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil

from tests.benchmarks.bench import Bench, Result, Session, scalar, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.endpoints import Receiving, delivery
from tests.benchmarks.population import executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.running import Processes, processes, wait_for_leader, wait_for_worker

TENANTS, IN_FLIGHT, CURSORS, DUE = 100, 5_000, 1_000_000, 20_000
BELOW = Goal("value", "<", 200)


def run(bench: Bench) -> Result:
    with our_database("bench_memory", tenants=TENANTS) as tenants, session() as own:
        with processes() as children:
            receiving = Receiving(children)
            receiving.of(tenants, "hang")
            jobs = make_jobs(own, tenants, IN_FLIGHT, target="http_request", content=delivery())
            own.execute("ANALYZE")
            worker, tree = _worker(children, own, receiving, jobs)
        own.execute("TRUNCATE executions_execution")
        make_jobs(own, tenants, CURSORS, later=True)
        own.execute("VACUUM ANALYZE")
        with processes() as children:
            scheduler = _scheduler(children, own)
    figures = [
        Figure("memory.worker-peak", worker, "MB", goal=BELOW),
        Figure("memory.worker-with-its-processes", tree, "MB"),
        Figure("memory.scheduler-peak", scheduler, "MB", goal=BELOW),
    ]
    note = (
        f"A worker that may run {IN_FLIGHT:,} at once, all of them HTTP requests that wait for an answer; its "
        "processes for plain functions share pages with each other, and are counted by their share (PSS). "
        f"The scheduler has dispatched {DUE:,} of its million cursors in one go."
    )
    return Result(figures, note=note)


def _worker(
    children: Processes, own: Session, receiving: Receiving, jobs: list[tuple[int, int]]
) -> tuple[float, float]:
    children.worker(concurrency=IN_FLIGHT)
    wait_for_worker(children, own)
    put(own, executions(jobs, IN_FLIGHT, target="http_request"))
    children.wait_for(lambda: receiving.counts()["held"] == IN_FLIGHT, "all in flight", within=50, every=0.2)
    process = psutil.Process(children.running["worker"].pid)
    peak = peak_of(process.pid)
    tree = sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True))) / 2**20
    children.kill("worker")
    return peak, tree


def _scheduler(children: Processes, own: Session) -> float:
    children.scheduler()
    wait_for_leader(children, own)
    own.execute(
        "UPDATE jobs_cursor SET next_run_at = date_bin('5 minutes', clock_timestamp(), '2000-01-01 UTC')"
        f" WHERE job_id IN (SELECT id FROM jobs_job WHERE target = 'bench.noop' LIMIT {DUE})"
    )
    own.execute("SELECT pg_notify('scheduler_jobs', '')")
    count = "SELECT count(*) FROM executions_execution"
    children.wait_for(lambda: int(scalar(own, count)) == DUE, "all are dispatched", every=0.5)
    time.sleep(5)
    return peak_of(children.running["scheduler"].pid)


def peak_of(pid: int) -> float:
    """MB, the most it ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError("the kernel does not say (VmHWM)")
    return int(found[1]) / 1024
