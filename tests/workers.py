"""Workers as processes, and executions for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from apps.executions.queue import Claimed, Finished, NewExecution, enqueue
from apps.jobs.models import Job
from apps.tenants.context import tenant_scope
from apps.vault.services import content_put

ROOT = Path(__file__).resolve().parent.parent
FAST = {"WORKER_POLL": "0.2", "LEASE_HEARTBEAT": "0.3", "LEASE_SECONDS": "3", "LOG_LEVEL": "INFO"}
Session = psycopg.Connection[tuple[Any, ...]]
_numbers = count(1)


def job_of(tenant: Any, name: str = "a job") -> int:
    """A job's id; its content is what an execution's version says."""
    with tenant_scope(tenant):
        job, _ = Job.objects.get_or_create(
            tenant=tenant, name=name, trigger_type="manual", target="tests.noop", task_type="noop"
        )
    return job.id


def execution(tenant: Any, target: str = "tests.noop", **fields: Any) -> NewExecution:
    """Due a second ago, at an instant and with a content version that no other has; of the tenant's one job."""
    number = next(_numbers)
    moment = datetime.now(UTC) - timedelta(seconds=1, microseconds=number)
    fields.setdefault("job_id", job_of(tenant))
    row = NewExecution(
        tenant_id=tenant.pk,
        job_id=0,
        job_name="a job",
        user_id="u-1",
        legacy_user_id=None,
        kind="scheduled",
        scheduled_for=moment,
        run_at=moment,
        task_type="noop",
        target=target,
        content_version=number,
        timeout_seconds=30,
        max_attempts=1,
        retry_delay_seconds=0,
        retry_max_delay_seconds=0,
        epoch=1,
    )
    return replace(row, **fields)


def put(
    session: Session, tenant: Any, *rows: NewExecution, params: dict[str, Any] | None = None
) -> list[int]:
    """Make executions, each with `params` in its tenant's vault, and wake the workers; their ids in order."""
    with tenant_scope(tenant):
        for row in rows:
            content_put(job_id=row.job_id, version=row.content_version, content=params or {})
    with session.cursor() as cursor:
        return sorted(enqueue(cursor, rows))


def end_of(row: Claimed, outcome: str = "success", **fields: Any) -> Finished:
    """The end of a claimed row, half a second after its lease: with a result, or with a customer's words."""
    texts = {"error_message": "it failed", "error_text": "a customer's words"}
    end = Finished(
        row.id,
        row.token,
        outcome,
        row.leased_at,
        row.leased_at + 0.5,
        result='{"n": 1}',
        **({} if outcome == "success" else texts),
    )
    return end._replace(**fields)


class WorkerProcess:
    """`manage.py run_worker`, with quick settings."""

    def __init__(self, database_url: str, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        env = {
            **os.environ,
            **FAST,
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
            **environment,
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_worker", *arguments],
                cwd=ROOT,
                env=env,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def wait(self, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@contextmanager
def workers(database_url: str, directory: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers; ends those that are left."""
    started: list[WorkerProcess] = []

    def start(name: str, *arguments: str, **environment: str) -> WorkerProcess:
        worker = WorkerProcess(
            database_url, directory / f"{name}.log", "--name", name, *arguments, **environment
        )
        started.append(worker)
        return worker

    try:
        yield start
    finally:
        for worker in started:
            worker.end()
