"""The API as its clients meet it: a real gunicorn, keep-alive connections, and beside it DRF doing nothing else.

`python -m tests.benchmarks.web --seconds 60 --clients 200`
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.benchmarks.bench import Bench, Result
from tests.benchmarks.configuring import configure
from tests.benchmarks.databases import drop_templates
from tests.benchmarks.scratch import scratch_database, server_facts
from tests.benchmarks.server import running_server

ROOT = Path(__file__).parent.parent.parent
PATHS = {"dashboard": "/api/scheduler/dashboard", "execution-logs": "/api/scheduler/execution-logs"}


@dataclass
class Figures:
    """What clients saw: seconds for each answer, and what went wrong."""

    took: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def row(self) -> str:
        cuts = statistics.quantiles(self.took, n=100)
        rate = len(self.took) / self.seconds
        return f"{rate:>10,.0f}{cuts[49] * 1000:>10.1f}{cuts[98] * 1000:>10.1f}{len(self.errors):>8}"


@dataclass(frozen=True)
class Site:
    url: str
    headers: dict[str, str]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--logs", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of load on each server (60 for the record)"
    )
    options = parser.parse_args(arguments)
    with scratch_database() as tenants, ExitStack() as stack:
        key, host = fill(tenants[0], jobs=options.jobs, logs=options.logs)
        headers = {"Host": host, "Authorization": f"Bearer {key}"}
        print(f"Web: {options.jobs:,} jobs, {options.logs:,} logs; {facts()}")
        print(f"\n{'':44}{'per s':>10}{'p50 ms':>10}{'p99 ms':>10}{'errors':>8}")
        for name, path in PATHS.items():
            for workers, clients, seconds in (
                (1, 1, options.seconds / 2),
                (2, options.clients, options.seconds),
            ):
                with ExitStack() as servers:
                    product = Site(servers.enter_context(serving(workers)) + path, headers)
                    payload = stack.enter_context(tempfile.NamedTemporaryFile())
                    payload.write(asyncio.run(fetch(product)))
                    payload.flush()
                    bare = Site(servers.enter_context(serving(workers, payload.name)) + "/", {})
                    sites = {f"{name}, {clients} client(s), {workers} worker(s)": product, "  bare DRF": bare}
                    for title, figures in measure(sites, clients=clients, seconds=seconds).items():
                        print(f"{title:44}{figures.row()}", flush=True)
                        for error in sorted(set(figures.errors))[:3]:
                            print(f"    {error}")


def measure(sites: dict[str, Site], *, clients: int, seconds: float, rounds: int = 4) -> dict[str, Figures]:
    """Each site in turn, several times, so that whatever else the machine does meets all of them."""
    figures = {title: Figures() for title in sites}
    for site in sites.values():
        asyncio.run(load(site, Figures(), clients=clients, seconds=min(1.0, seconds / 4)))  # warms up
    for _ in range(rounds):
        for title, site in sites.items():
            asyncio.run(load(site, figures[title], clients=clients, seconds=seconds / rounds))
    return figures


async def load(site: Site, figures: Figures, *, clients: int, seconds: float) -> None:
    """`clients` keep-alive connections, each asking again as soon as it has its answer."""
    started = time.perf_counter()
    deadline = started + seconds
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def client() -> None:
            while time.perf_counter() < deadline:
                asked = time.perf_counter()
                try:
                    async with session.get(site.url, headers=site.headers) as response:
                        await response.read()
                        if response.status != 200:
                            figures.errors.append(f"HTTP {response.status}")
                except (aiohttp.ClientError, OSError) as error:
                    figures.errors.append(type(error).__name__)
                figures.took.append(time.perf_counter() - asked)

        await asyncio.gather(*(client() for _ in range(clients)))
    figures.seconds += time.perf_counter() - started


async def fetch(site: Site) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(site.url, headers=site.headers) as response:
        body = await response.read()
    if response.status != 200:
        raise SystemExit(f"{site.url} answers {response.status}: {body[:300]!r}")
    return body


@contextmanager
def serving(workers: int, payload_file: str = "") -> Iterator[str]:
    """A gunicorn with the product's own configuration; the bare view where a payload is given."""
    from apps.tenants.machine import database_url

    listener = socket.create_server(("127.0.0.1", 0))
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.dev",
        "DEBUG": "false",
        "WEB_CONCURRENCY": str(workers),
        "PAYLOAD_FILE": payload_file,
        "PYTHONWARNINGS": "ignore",
        "GUNICORN_CMD_ARGS": "--access-logfile /dev/null --log-level warning",
    }
    application = (
        "tests.benchmarks.bare_drf:application" if payload_file else "scheduler_saas.wsgi:application"
    )
    command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", application]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()])
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        process.terminate()
        process.wait(30)


def fill(tenant_id: int, *, jobs: int, logs: int) -> tuple[str, str]:
    """A tenant with that many jobs and finished executions; an owner's key and the host."""
    from django.db import connection

    from apps.jobs.models import Cursor, Job
    from apps.tenants import services
    from apps.tenants.context import all_tenants_scope, tenant_scope
    from apps.tenants.crypto import seal
    from apps.tenants.models import Plan, Tenant
    from apps.vault.models import JobContent

    with all_tenants_scope():
        Plan.objects.update(requests_per_minute=0)
        tenant = Tenant.objects.get(pk=tenant_id)
        host = str(tenant.domains.get().domain)
    owner = services.member_create(tenant=tenant, username="owner", role="owner", actor="benchmark")
    content = {"url": "https://example.com/", "headers": {"x-of": "a benchmark"}}
    with tenant_scope(tenant):
        made = Job.objects.bulk_create(
            Job(
                tenant=tenant,
                name=f"Job {number}",
                user_id=f"user-{number % 100}",
                trigger_type="cron",
                cron_expression=f"{number % 60} * * * *",
                target="http_check",
                task_type=("http_check", "reports", "sync")[number % 3],
            )
            for number in range(jobs)
        )
        Cursor.objects.bulk_create(Cursor(job=job, tenant=tenant) for job in made)
        JobContent.objects.bulk_create(
            JobContent(
                job_id=job.id, version=1, sealed=seal(str(tenant.schema_name), f"content:{job.id}:1", content)
            )
            for job in made
        )
        with connection.cursor() as cursor:
            cursor.execute(NEXT_RUNS)
            cursor.execute(FINISHED, {"tenant": tenant.pk, "logs": logs})
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return services.api_key_create(membership=owner, name="benchmark", actor="benchmark")[1], host


NEXT_RUNS = "UPDATE jobs_cursor SET next_run_at = date_trunc('hour', now()) + (job_id % 60 + 60) * interval '1 minute'"
FINISHED = """
WITH written AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, kind, scheduled_for, run_at, task_type, target, epoch, status,
        attempts, started_at, finished_at, execution_time_ms, worker, created_at)
    SELECT
        n, tenant_id, id, name, user_id, 'manual', at, at, task_type, target, 1,
        CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'success' END, 1, at, at, 40, 'benchmark', at
    FROM (
        SELECT job.*, n, now() - n * interval '1 second' AS at
        FROM generate_series(1, %(logs)s) AS n
        JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS jobs FROM jobs_job) AS job
            ON job.place = n %% job.jobs
    ) AS runs
    RETURNING tenant_id, user_id, task_type, status, scheduled_for
)
INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n)
SELECT tenant_id, user_id, task_type, status, date_trunc('hour', scheduled_for, 'UTC'), count(*)
FROM written GROUP BY 1, 2, 3, 4, 5
"""


def facts() -> str:
    from apps.tenants import machine

    with machine.connect(application_name="benchmark") as session:
        return server_facts(session)


def run(bench: Bench) -> Result:
    """In a size that takes a minute; what it prints is the result."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["--seconds", "8"])
    return Result([], printed=printed.getvalue())


if __name__ == "__main__":
    with running_server() as url:
        configure(url)
        main()
        drop_templates()
