"""No-op executions a second by one worker that is up and idle, from the commit of the backlog to an empty queue.

Ours as shipped: a `manage.py run_worker` process, 100 tenants with real schemas, row security, caps, ledger, payloads
and results of 200 bytes. Peers have payloads of 200 bytes, one queue and no result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.benchmarks import plain_sql
from tests.benchmarks.bench import Bench, Result, Session, emptied, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.peers.queues import PEERS, NotMeasured, RunningPeer, running_peer
from tests.benchmarks.population import PAYLOAD, executions, make_jobs, put
from tests.benchmarks.record import Figure, Goal
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.running import Processes, processes, wait_for_worker

Jobs = list[tuple[int, int]]
TENANTS, JOBS, ROWS = 100, 1_000, 20_000
BATCH = 500


def run(bench: Bench) -> Result:
    unmeasured: list[Figure] = []
    with ExitStack() as stack:
        tenants = stack.enter_context(our_database("bench_noop", tenants=TENANTS))
        own = stack.enter_context(session())
        jobs = make_jobs(own, tenants, JOBS, content=PAYLOAD)
        own.execute("ANALYZE")
        children = stack.enter_context(processes())
        children.worker()
        wait_for_worker(children, own)
        contenders: dict[str, Callable[[], float]] = {"ours": lambda: ours(children, own, jobs)}
        for peer in PEERS.values():
            try:
                running = stack.enter_context(running_peer(peer))
            except NotMeasured as reason:
                unmeasured.append(
                    Figure("noop.peer", None, "jobs/s", f"{peer.name} (not measured: {reason})")
                )
            else:
                contenders[running.title] = partial(peers, running)
        plain = stack.enter_context(_plain_database())
        contenders["plain SQL"] = partial(plain_work, *plain)
        rates = interleaved(contenders, rounds=bench.rounds)
    mine = rates["ours"]
    goals = {"pgqueuer": Goal("ratio", ">=", 1.3)}
    figures = [
        Figure(
            "noop.limit" if name == "plain SQL" else "noop.peer",
            mine,
            "jobs/s",
            name,
            rate,
            goals.get(name.split()[0]),
        )
        for name, rate in rates.items()
        if name != "ours"
    ]
    return Result([*figures, *unmeasured], chart=list(rates.items()), chart_unit="jobs/s")


def ours(children: Processes, own: Session, jobs: Jobs) -> float:
    rows = executions(jobs, ROWS)
    put(own, rows)
    started = time.perf_counter()
    empty = emptied(own, "executions_execution")
    children.wait_for(empty, "an empty queue", within=120)
    return ROWS / (time.perf_counter() - started)


def peers(peer: RunningPeer) -> float:
    filled = peer.fill(peer.peer.rows)
    peer.children.wait_for(peer.emptied(), "an empty queue", within=120)
    return peer.peer.rows / (time.time() - filled)


@contextmanager
def _plain_database() -> Iterator[tuple[Session, Session, Jobs]]:
    """The same tables in a database of their own, which no worker of ours looks at; a session to fill, one to work."""
    from apps.executions.queue import PINNED_PLANS

    with our_database("bench_noop_plain", tenants=TENANTS) as tenants, session() as filling:
        jobs = make_jobs(filling, tenants, JOBS)
        filling.execute("ANALYZE")
        with session(**PINNED_PLANS) as working:
            yield filling, working, jobs


def plain_work(filling: Session, worker: Session, jobs: Jobs) -> float:
    put(filling, executions(jobs, ROWS))
    started = time.perf_counter()
    if (rows := plain_sql.work(worker, batch=BATCH)) != ROWS:
        raise RuntimeError(f"plain SQL moved {rows} rows instead of {ROWS}")
    return ROWS / (time.perf_counter() - started)
