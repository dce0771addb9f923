"""Due to queue, and queue to ledger: rows a second, beside the limit of plain SQL.

    python -m benchmarks.dispatch_and_claim [--jobs 10000] [--rounds 5]

Medians of the rounds; client and server share the machine's cores. Worked on are the configured server's tables in a
database that is made for it and dropped.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks import plain_sql
from benchmarks.scratch import scratch_database, server_facts

Session = psycopg.Connection[tuple[Any, ...]]

JOBS = """
WITH made AS (
    INSERT INTO jobs_job (tenant_id, name, user_id, trigger_type, cron_expression, timezone, target, task_type)
    SELECT
        (%(tenants)s::bigint[])[1 + n %% cardinality(%(tenants)s::bigint[])], 'job ' || n, 'user-' || n %% 100, 'cron',
        '*/5 * * * *', (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'])[1 + n %% 4], 'bench', 'bench'
    FROM generate_series(1, %(jobs)s) AS n
    RETURNING id, tenant_id
)
INSERT INTO jobs_cursor (job_id, tenant_id) SELECT id, tenant_id FROM made
"""
# The five-minute tick that has just passed.
ALL_DUE = """
UPDATE jobs_cursor
SET last_scheduled_for = NULL, next_run_at = date_bin('5 minutes', clock_timestamp(), '2000-01-01 UTC')
"""
CLEAR = """
TRUNCATE executions_execution, executions_executionlog, executions_attempt, executions_delta, executions_outcomenote
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Due to queue, and queue to ledger: rows a second.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with scratch_database() as tenants:
        from apps.tenants import machine

        with machine.connect(application_name="benchmark") as session:
            session.execute(JOBS, {"tenants": tenants, "jobs": args.jobs})
            session.execute("ANALYZE")
            print(server_facts(session))
            print(f"{args.jobs:,} jobs of {len(tenants)} tenants; median of {args.rounds} rounds\n")
            print(f"{'rows a second':44}{'ours':>10}{'plain SQL':>12}{'ratio':>8}")
            measure_dispatch(session, args.jobs, args.rounds)
            measure_work(session, args.jobs, args.rounds)
            measure_latency(session)


def measure_dispatch(session: Session, jobs: int, rounds: int) -> None:
    from apps.jobs.dispatch import Dispatcher
    from apps.leadership.session import LeaderSession

    leader = LeaderSession.acquire(replica="benchmark", timings=patient())

    def prepare() -> None:
        session.execute(CLEAR)
        session.execute(ALL_DUE)
        session.execute("VACUUM ANALYZE jobs_cursor, executions_execution")

    for chunk in (1000, 5000):
        dispatcher = Dispatcher(chunk=chunk)

        def ours(dispatcher: Dispatcher = dispatcher) -> int:
            fired, again = 0, True
            while again:
                result = dispatcher.run_once(leader)
                fired, again = fired + result.counts["fired"], result.again
            return fired

        def plain(chunk: int = chunk) -> int:
            return plain_sql.dispatch(leader.connection, chunk=chunk)

        compare(f"due to queue, chunks of {chunk:,}", jobs, rounds, prepare, ours, plain)
    leader.close(reason="measured")


def measure_work(session: Session, jobs: int, rounds: int) -> None:
    from apps.executions.queue import PINNED_PLANS
    from apps.tenants import machine

    with machine.connect(application_name="benchmark worker", session_settings=PINNED_PLANS) as worker:

        def prepare() -> None:
            session.execute(CLEAR)
            session.execute(ALL_DUE)
            plain_sql.dispatch(session, chunk=5000)
            session.execute("VACUUM ANALYZE executions_execution")

        for batch in (100, 500, 1000):

            def ours(batch: int = batch) -> int:
                return work(worker, batch=batch)

            def plain(batch: int = batch) -> int:
                return plain_sql.work(worker, batch=batch)

            compare(f"claim and complete, batches of {batch:,}", jobs, rounds, prepare, ours, plain)


def work(worker: Session, *, batch: int) -> int:
    """Claim and complete no-op executions until the queue is empty; how many rows."""
    from apps.executions.queue import Finished, claim, complete

    total = 0
    with worker.cursor() as cursor:
        while rows := claim(worker="benchmark", limit=batch, lease_seconds=30).on(cursor):
            now = rows[0].leased_at
            done: list[Finished] = [
                {
                    "id": row.id,
                    "token": row.token,
                    "status": "success",
                    "outcome": "success",
                    "error_message": None,
                    "started": now,
                    "finished": now,
                    "result": None,
                    "error_text": None,
                }
                for row in rows
            ]
            total += complete(done).on(cursor).completed
    return total


def measure_latency(session: Session, *, runs: int = 300) -> None:
    """From the call of a step with one due job to its commit; and of a step with none."""
    from apps.jobs.dispatch import Dispatcher
    from apps.leadership.session import LeaderSession

    session.execute(CLEAR)
    session.execute("UPDATE jobs_cursor SET next_run_at = clock_timestamp() + interval '1 day'")
    session.execute("VACUUM ANALYZE jobs_cursor, executions_execution")
    leader, dispatcher = LeaderSession.acquire(replica="benchmark", timings=patient()), Dispatcher()
    one_due = (
        "UPDATE jobs_cursor SET next_run_at = date_bin('5 minutes', clock_timestamp(), '2000-01-01 UTC'),"
        " last_scheduled_for = NULL WHERE job_id = (SELECT min(job_id) FROM jobs_cursor)"
    )
    took: dict[str, list[float]] = {"one due": [], "none due": []}
    for _ in range(runs):
        session.execute("DELETE FROM executions_execution")
        session.execute(one_due)
        for name in took:
            started = time.perf_counter()
            dispatcher.run_once(leader)
            took[name].append((time.perf_counter() - started) * 1000)
    leader.close(reason="measured")
    print(f"\n{'one step of the dispatcher, ms':44}{'p50':>10}{'p99':>12}")
    for name, values in took.items():
        cuts = statistics.quantiles(values, n=100)
        print(f"{name:44}{cuts[49]:>10.2f}{cuts[98]:>12.2f}")


def patient() -> Any:
    """The leader's timings, but for a session that idles while the tables are made ready."""
    from apps.leadership.timings import Timings

    return dataclasses.replace(Timings.from_settings(), idle_timeout=120.0, trust_window=120.0)


def compare(
    title: str,
    expected: int,
    rounds: int,
    prepare: Callable[[], None],
    ours: Callable[[], int],
    plain: Callable[[], int],
) -> None:
    """Both in turn, so that whatever else the machine does meets both. The first round warms up and does not count."""
    rates: dict[Callable[[], int], list[float]] = {ours: [], plain: []}
    for number in range(rounds + 1):
        for measured, values in rates.items():
            prepare()
            started = time.perf_counter()
            rows = measured()
            seconds = time.perf_counter() - started
            if rows != expected:
                raise SystemExit(f"{title}: {rows} rows instead of {expected}")
            if number:
                values.append(rows / seconds)
    mine, limit = (statistics.median(values) for values in rates.values())
    print(f"{title:44}{mine:>10,.0f}{limit:>12,.0f}{mine / limit:>8.0%}", flush=True)


if __name__ == "__main__":
    main()
