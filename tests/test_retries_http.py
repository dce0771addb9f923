"""Retries of HTTP targets, from a real worker process to a real receiver on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from apps.executions.models import Execution, ExecutionLog
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.jobs.states import ENDPOINT_GONE
from apps.leadership.session import LeaderSession
from apps.tenants.context import tenant_scope
from tests.leaders import UNHURRIED
from tests.replicas import wait_for
from tests.workers import Session, WorkerProcess, execution, put

pytestmark = [pytest.mark.usefixtures("all_tenants"), pytest.mark.same_on_every_postgres]

LOOPBACK = {"EGRESS_ALLOWED_NETWORKS": "127.0.0.0/8"}


@dataclass
class Receiver:
    """Answers as it is told, and keeps the paths it was asked for."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)  # when, by a clock of seconds
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            told.asked.append(self.path)
            told.at.append(monotonic())
            self.send_response(told.status)
            for name, value in {**told.headers, "Content-Length": str(len(told.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def send(session: Session, tenant: Any, receiver: Receiver, **fields: Any) -> int:
    """An execution that posts to the receiver; its id."""
    row = execution(tenant, "http_request", **fields)
    (execution_id,) = put(session, tenant, row, params={"method": "POST", "url": receiver.url, "headers": {}})
    return execution_id


def drain(start: Callable[..., WorkerProcess]) -> None:
    worker = start("drainer", "--drain", **LOOPBACK)
    assert worker.wait() == 0, worker.said()


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_the_receivers_wish_is_kept_whatever_the_status(
    session: Session, acme: Any, receiver: Receiver, start: Any, status: int, as_date: bool
) -> None:
    earliest = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    receiver.status = status
    receiver.headers["Retry-After"] = format_datetime(earliest, usegmt=True) if as_date else "7200"
    execution_id = send(
        session, acme, receiver, max_attempts=5, retry_delay_seconds=600, retry_max_delay_seconds=600
    )
    drain(start)
    waiting = Execution.objects.get(pk=execution_id, state="pending", attempt=1)
    # A header of a date counts whole seconds.
    assert earliest <= waiting.run_at + timedelta(seconds=1)
    assert waiting.run_at <= earliest + timedelta(seconds=300 + 30), "and not much later, but not all at once"
    assert receiver.asked == ["/hook"]


def test_a_wish_for_longer_than_a_day_is_a_day(
    session: Session, acme: Any, receiver: Receiver, start: Any
) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": str(10**9)}
    execution_id = send(session, acme, receiver, max_attempts=2)
    drain(start)
    left = Execution.objects.get(pk=execution_id).run_at - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(days=1)


def test_it_comes_back_no_sooner_and_no_oftener_than_it_may(
    session: Session, acme: Any, receiver: Receiver, start: Any
) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "1"}
    execution_id = send(session, acme, receiver, max_attempts=3)
    start("worker", **LOOPBACK)
    log = wait_for(lambda: ExecutionLog.objects.filter(pk=execution_id).first(), "the end")
    assert (log.status, log.attempts, receiver.asked) == ("failed", 3, ["/hook"] * 3)
    gaps = [after - before for before, after in pairwise(receiver.at)]
    assert min(gaps) >= 1.0, gaps
    assert not Execution.objects.exists()


def test_410_ends_the_execution_and_switches_its_job_off(
    session: Session, acme: Any, receiver: Receiver, start: Any, leader: LeaderSession
) -> None:
    job = services.job_create(
        tenant=acme,
        spec=JobSpec(
            name="hooked",
            trigger=TriggerSpec(trigger_type="interval", interval_seconds=3600),
            target="http_request",
            payload={"method": "POST", "url": "https://shop.example/hook"},
            max_attempts=5,
        ),
        actor="tests",
    )
    receiver.status = 410
    # The content's own version, so that the answer is to what the job still is.
    execution_id = send(session, acme, receiver, job_id=job.pk, content_version=7, max_attempts=5)
    Job.objects.filter(pk=job.pk).update(content_version=7)
    drain(start)
    log = ExecutionLog.objects.get(pk=execution_id)
    assert (log.status, log.attempts, receiver.asked) == ("failed", 1, ["/hook"])
    assert log.error_message == "the server answered 410, expected 200 to 299"

    assert OutcomeFold().run_once(leader).counts["jobs_paused"] == 1

    job.refresh_from_db()
    assert (job.switch, job.pause_reason) == ("paused", ENDPOINT_GONE)
    with tenant_scope(acme):
        services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    assert Cursor.objects.get(job=job).next_run_at is not None


def test_410_that_was_expected_is_a_success(
    session: Session, acme: Any, receiver: Receiver, start: Any, leader: LeaderSession
) -> None:
    receiver.status = 410
    row = execution(acme, "http_request")
    params = {"method": "POST", "url": receiver.url, "headers": {}, "expected_status": [410]}
    (execution_id,) = put(session, acme, row, params=params)
    drain(start)
    assert ExecutionLog.objects.get(pk=execution_id).status == "success"
    assert OutcomeFold().run_once(leader).counts["jobs_paused"] == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(
    session: Session, acme: Any, receiver: Receiver, start: Any, status: int
) -> None:
    receiver.status, receiver.headers = status, {"Location": "/elsewhere"}
    execution_id = send(session, acme, receiver, max_attempts=2)
    drain(start)
    log = ExecutionLog.objects.get(pk=execution_id)
    assert (log.status, log.attempts, receiver.asked) == ("failed", 2, ["/hook", "/hook"])
    assert (
        log.error_message == f"the server answered {status}, expected 200 to 299; redirects are not followed"
    )


def test_an_answer_without_end_is_cut_off(
    session: Session, acme: Any, receiver: Receiver, start: Any
) -> None:
    receiver.body = b"x" * (3 * 1024 * 1024)
    execution_id = send(session, acme, receiver)
    drain(start)
    log = ExecutionLog.objects.get(pk=execution_id)
    assert (log.status, log.error_message) == ("failed", "the answer is larger than 1024 KiB")
