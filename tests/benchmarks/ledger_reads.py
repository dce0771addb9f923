"""Reading the ledger at any size: milliseconds of a page through the API, beside plain SQL for the same rows.

    python -m tests.benchmarks.ledger_reads [--rows 10000 1000000] [--rounds 200] [--csv 1000000]

A tenant for each size, its rows spread over 30 days and 1,000 users in every form of their ids. Rounds of all sizes and
of both sides are interleaved, so that whatever else the machine does meets all of them; client and server share its
cores. *Plain* is the page's rows by one statement in a session of the same tenant: no request, key, outputs, payloads
or total. The last table has the total, beside count(*).
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.benchmarks.bench import Bench, Result
from tests.benchmarks.configuring import configure
from tests.benchmarks.databases import drop_templates
from tests.benchmarks.scratch import scratch_database, server_facts
from tests.benchmarks.server import running_server

Session = psycopg.Connection[tuple[Any, ...]]
PATH = "/api/scheduler/execution-logs"
DEEP = 1_000_000  # rows before the page by cursor, or half of what there is

PARTITIONS = """
SELECT executions_create_partitions((now() AT TIME ZONE 'UTC')::date - 31, (now() AT TIME ZONE 'UTC')::date + 7)
"""
FILL = """
INSERT INTO executions_executionlog (
    id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target, epoch,
    status, error_message, attempts, started_at, finished_at, execution_time_ms, worker, created_at
)
SELECT
    nextval('executions_execution_id_seq'), %(tenant)s, 1 + n %% 10000, 'job ' || n %% 10000,
    CASE WHEN n %% 3 <> 0 THEN 'user-' || n %% 1000 END, CASE WHEN n %% 3 <> 1 THEN n %% 1000 END, 'manual',
    date_trunc('second', t.at), t.at, 'http_check', 'http_check', 1,
    CASE WHEN n %% 19 = 0 THEN 'failed' ELSE 'success' END, CASE WHEN n %% 19 = 0 THEN 'HTTP 500' END, 1,
    t.at, t.at, 12, 'worker', t.at
FROM generate_series(1::bigint, %(rows)s) AS n, LATERAL (
    SELECT now() - (%(rows)s - n) * (interval '30 days' / %(rows)s) AS at
) AS t
"""
COUNT = """
WITH sums AS (
    SELECT tenant_id, coalesce(user_id, legacy_user_id::text, '') AS user_key, task_type, status,
        date_trunc('hour', scheduled_for, 'UTC') AS hour, count(*) AS n
    FROM executions_executionlog WHERE tenant_id = %(tenant)s GROUP BY 1, 2, 3, 4, 5
)
INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n) SELECT * FROM sums
"""
IDENTITIES = """
INSERT INTO tenants_useridentity (tenant_id, legacy_user_id, user_id)
SELECT %(tenant)s, n, 'user-' || n FROM generate_series(0, 999) AS n
"""
PAGE = (
    "SELECT * FROM executions_executionlog WHERE tenant_id = %(tenant)s {where}"
    " ORDER BY scheduled_for DESC, id DESC LIMIT 51"
)
# Where a page spans both statuses, one branch for each: the index can serve no plainer statement in order.
BOTH = (
    f"({PAGE.replace('{where}', '{where} AND status = %(first)s')}) UNION ALL"
    f" ({PAGE.replace('{where}', '{where} AND status = %(second)s')})"
    " ORDER BY scheduled_for DESC, id DESC LIMIT 51"
)
TOTAL = "SELECT count(*) FROM executions_executionlog WHERE tenant_id = %(tenant)s"
OF_USER = "AND (user_id IN ('user-7', '7') OR user_id IS NULL AND legacy_user_id = 7)"
BEYOND = "AND scheduled_for <= %(time)s AND (scheduled_for, id) < (%(time)s, %(id)s)"


@dataclass
class Filled:
    """A tenant of so many rows, how to ask for its pages, and the place in the middle of its ledger."""

    rows: int
    tenant_id: int
    schema: str
    get: Callable[[str], Any]
    cursor: str = ""
    params: dict[str, Any] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Reading the ledger at any size.")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--csv", type=int, metavar="ROWS", help="also send the whole file of the tenant of that size"
    )
    args = parser.parse_args(arguments)
    with scratch_database(len(args.rows)) as tenants:
        from apps.tenants import machine

        with machine.connect(application_name="benchmark") as session:
            session.execute("UPDATE tenants_plan SET requests_per_minute = 0")  # no limit
            sizes = [fill(session, tenant, rows) for tenant, rows in zip(tenants, args.rows, strict=True)]
            session.execute("VACUUM ANALYZE executions_executionlog")
            fold(session)
            print(server_facts(session))
            for filled in sizes:
                find_the_deep_page(filled)
            measure(sizes, args.rounds)
            measure_counts(sizes)
            for filled in sizes:
                if filled.rows == args.csv:
                    measure_csv(filled)


def fill(session: Session, tenant_id: int, rows: int) -> Filled:
    from django.test import Client

    from apps.tenants import services
    from apps.tenants.context import all_tenants_scope
    from apps.tenants.models import Tenant

    session.execute(PARTITIONS)
    started = time.perf_counter()
    for statement in (FILL, COUNT, IDENTITIES):
        session.execute(statement, {"tenant": tenant_id, "rows": rows})
    print(f"{rows:,} rows made in {time.perf_counter() - started:.0f} s", flush=True)
    with all_tenants_scope():
        tenant = Tenant.objects.select_related("plan").get(pk=tenant_id)
    member = services.member_create(
        tenant=tenant, username=f"bench-{tenant_id}", role="owner", actor="benchmark"
    )
    key = services.api_key_create(membership=member, name="benchmark", actor="benchmark")[1]
    headers = {"Authorization": f"Bearer {key}", "Host": f"{tenant.schema_name}.localhost"}
    client = Client()

    def get(query: str) -> Any:
        response = client.get(PATH + query, headers=headers)
        if response.status_code != 200:
            raise SystemExit(f"{query}: {response.status_code} {response.content!r}")
        return response

    return Filled(rows, tenant_id, tenant.schema_name, get)


def fold(session: Session) -> None:
    """What a leader does within a second of the rows, and autovacuum within a minute of that."""
    from apps.executions import ledger

    with session.cursor() as cursor:
        while ledger.fold_deltas(limit=50_000, epoch=1).on(cursor).deltas:
            pass
    session.execute("VACUUM executions_delta, executions_counter, executions_tally")


def find_the_deep_page(filled: Filled) -> None:
    depth = min(DEEP, filled.rows // 2)
    started = time.perf_counter()
    page = filled.get(f"?limit=1&offset={depth - 1}").json()
    took = time.perf_counter() - started
    print(f"{filled.rows:,} rows: the page at offset {depth - 1:,} took {took * 1000:,.0f} ms")
    [log] = page["logs"]
    filled.cursor = page["next_cursor"]
    filled.params = {
        "tenant": filled.tenant_id,
        "time": log["scheduled_for"],
        "id": log["id"],
        "first": "success",
        "second": "failed",
    }


def measure(sizes: list[Filled], rounds: int) -> None:
    """Median and 99th percentile of each case at each size, and the ratio of the largest size to the smallest."""
    cases: dict[str, tuple[str, str]] = {
        "first page": ("", BOTH.format(where="")),
        "by status": ("?status=failed", PAGE.format(where="AND status = 'failed'")),
        "by user": ("?user_id=user-7", PAGE.format(where=OF_USER)),
        "by user and status": (
            "?user_id=user-7&status=failed",
            PAGE.format(where=f"{OF_USER} AND status = 'failed'"),
        ),
        "by cursor, deep": ("?cursor={cursor}", BOTH.format(where=BEYOND)),
        "by offset 0": ("?offset=0", BOTH.format(where="")),
    }
    took: dict[tuple[str, int, str], list[float]] = {}
    plain = {filled.rows: plain_session(filled) for filled in sizes}
    for number in range(-3, rounds):
        for name, (query, statement) in cases.items():
            for filled in sizes:
                ways = {
                    "ours": lambda filled=filled, query=query: filled.get(query.format(cursor=filled.cursor)),
                    "plain": lambda filled=filled, statement=statement: (
                        plain[filled.rows].execute(statement, filled.params).fetchall()
                    ),
                }
                for way, run in ways.items():
                    seconds, _ = timed(run)
                    if number >= 0:
                        took.setdefault((name, filled.rows, way), []).append(seconds)
    small, large = sizes[0].rows, sizes[-1].rows
    titles = "".join(f"{f'{filled.rows:,} p50':>16}{'p99':>8}{'plain':>8}" for filled in sizes)
    print(f"\n{'milliseconds':22}{titles}{'largest/smallest':>19}")
    for name in cases:
        line = f"{name:22}"
        for filled in sizes:
            p50, p99 = figures(took[name, filled.rows, "ours"])
            line += f"{p50:>16.2f}{p99:>8.2f}{figures(took[name, filled.rows, 'plain'])[0]:>8.2f}"
        ratio = figures(took[name, large, "ours"])[0] / figures(took[name, small, "ours"])[0]
        print(f"{line}{ratio:>18.2f}x", flush=True)
    deep, first = (figures(took[name, large, "ours"])[0] for name in ("by cursor, deep", "first page"))
    print(f"the deep page costs {deep / first:.2f} times the first one ({large:,} rows)")
    for session in plain.values():
        session.close()


def measure_counts(sizes: list[Filled]) -> None:
    """What the exact number costs that each page carries, and what counting the rows would."""
    print(f"\n{'exact total, ms':>22}{'ours':>10}{'count(*)':>12}")
    for filled in sizes:
        ours, counting, found, rows = counts(filled)
        if found != rows:
            raise SystemExit(f"{found} counted, {rows} there")
        print(f"{filled.rows:>22,}{ours:>10.2f}{counting:>12.1f}")


def counts(filled: Filled) -> tuple[float, float, int, int]:
    """Milliseconds of our count (median) and of SQL's, and what they found."""
    from apps.executions.selectors import finished_count
    from apps.tenants.context import all_tenants_scope

    with all_tenants_scope():
        ours = [timed(lambda: finished_count(tenant_id=filled.tenant_id)) for _ in range(50)]
    with plain_session(filled) as session:
        seconds, rows = timed(lambda: session.execute(TOTAL, {"tenant": filled.tenant_id}).fetchall())
    return figures([one for one, _ in ours])[0], seconds * 1000, ours[-1][1], rows[0][0]


def measure_csv(filled: Filled) -> None:
    """The whole ledger as a file: rows a second, and by how much the process has grown."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    first, size = 0.0, 0
    for piece in filled.get(".csv").streaming_content:
        first = first or time.perf_counter() - started
        size += len(piece)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    grown = peak - before / 1024
    print(
        f"\nCSV: {filled.rows:,} rows, {size / 2**20:,.0f} MB in {seconds:.0f} s "
        f"({filled.rows / seconds:,.0f} rows/s), first bytes after {first * 1000:.0f} ms, "
        f"peak memory of the process {peak:.0f} MB, +{grown:.0f} MB"
    )


def plain_session(filled: Filled) -> Session:
    """A session in the tenant's scope: the same row security as a request has."""
    from apps.tenants import machine

    session = machine.connect(application_name="benchmark, plain SQL")
    session.execute(
        "SELECT set_config('search_path', %s, false), set_config('scheduler.all_tenants', 'off', false)",
        [f'"{filled.schema}", public'],
    )
    return session


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def figures(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000


def run(bench: Bench) -> Result:
    """In a size that takes a minute; what it prints is the result."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["--rows", "10000", "1000000", "--rounds", "50"])
    return Result([], printed=printed.getvalue())


if __name__ == "__main__":
    with running_server() as url:
        configure(url)
        main()
        drop_templates()
