"""What real schedulers and workers tell of themselves: figures on a port, spans to a collector, lines in JSON."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from prometheus_client import CollectorRegistry, generate_latest

from apps.jobs.models import Job
from apps.leadership import tracing
from apps.leadership.histograms import Histogram
from apps.tenants.context import all_tenants_scope
from apps.tenants.log_context import log_about
from scheduler_saas.logs import JsonFormatter, TextFormatter
from tests.collectors import collector, figures, free_port
from tests.contract.rows import lead
from tests.dispatching import stand
from tests.replicas import FAST, ROOT, wait_for
from tests.workers import Session, WorkerProcess, execution, put

pytestmark = pytest.mark.same_on_every_postgres


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Where jobs post to, and the headers that came."""
    got: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            got.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_worker_tells_by_figures_traces_and_lines(
    session: Session, acme: Any, start: Callable[..., WorkerProcess]
) -> None:
    port = free_port()
    with collector() as (endpoint, spans), hook() as (url, requests):
        worker = start(
            "w1",
            METRICS_PORT=str(port),
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            LOG_FORMAT="json",
            EGRESS_ALLOWED_PORTS=url.split(":")[2].split("/")[0],
        )
        params = {"method": "POST", "url": url, "headers": {}}
        [posted] = put(session, acme, execution(acme, "http_request", job_name="Confidential"), params=params)
        put(session, acme, execution(acme), execution(acme), execution(acme, "tests.raise"))
        put(session, acme, execution(acme, "tests.plain"), params={"n": 1})
        wait_for(lambda: figures(port).get(("scheduler_attempts_total", "success"), 0) >= 3, "all have ended")
        wait_for(lambda: requests, "the request came")
        seen = wait_for(
            lambda: (found := figures(port)).get(("scheduler_run_seconds_count", "process")) and found,
            "the process's run was measured",
        )
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert seen["scheduler_attempts_total", "failed"] >= 1
    assert seen["scheduler_run_seconds_count", "async"] == 3
    assert seen["scheduler_run_seconds_count", "http"] == 1
    assert seen["scheduler_start_lag_seconds_count",] == 5
    assert seen["scheduler_start_lag_seconds_sum",] > 5, "each was due a second before it was made"
    told = " ".join(" ".join(key) for key in seen)
    assert not [word for word in ("acme", "Confidential", "u-1", "tests.") if word in told]

    [run] = [span for span in spans if span.attributes.get("scheduler.execution_id") == posted]
    assert (run.service, run.name) == ("worker", "scheduler.run")
    assert run.attributes["scheduler.ok"] is True
    assert run.attributes["scheduler.tenant_id"] == acme.pk
    assert requests[0]["traceparent"].split("-")[1:3] == [run.trace_id, run.span_id]
    assert len([span for span in spans if span.name == "scheduler.run"]) == 5
    claims = [span for span in spans if span.name == "scheduler.claim"]
    assert sum(span.attributes["scheduler.executions"] for span in claims) == 5
    assert "Confidential" not in str(spans)

    lines = [json.loads(line) for line in worker.said().splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert [line for line in lines if line["message"].startswith("metrics on 127.0.0.1:")]


def test_a_scheduler_tells_how_late_it_dispatched(live_db: str, acme: Any, tmp_path: Path) -> None:
    port = free_port()
    with all_tenants_scope():
        stand(acme, datetime.now(UTC) - timedelta(seconds=3), name="Confidential")
    with collector() as (endpoint, spans), (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_scheduler", "--replica", "r1"],
            cwd=ROOT,
            env={
                **os.environ,
                **FAST,
                "DATABASE_URL": live_db,
                "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
                "METRICS_PORT": str(port),
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            },
            stderr=log,
        )
        try:
            seen = wait_for(
                lambda: (
                    (found := figures(port)).get(("scheduler_dispatch_lag_seconds_count",))
                    and found.get(
                        ("scheduler_step_seconds_count", "dispatch")
                    )  # counted when the step is over
                    and found
                ),
                "it dispatched",
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)
    assert seen["scheduler_dispatch_lag_seconds_count",] == 1
    assert 3 < seen["scheduler_dispatch_lag_seconds_sum",] < 60
    assert seen["scheduler_step_seconds_count", "dispatch"] >= 1
    [dispatch] = [span for span in spans if span.name == "scheduler.dispatch"]
    assert (dispatch.service, dispatch.attributes["scheduler.jobs"]) == ("scheduler", 1)
    with all_tenants_scope():
        assert Job.objects.filter(name="Confidential").exists()
    assert "Confidential" not in str(spans) + str(seen)


@pytest.mark.same_on_every_postgres
class TestTheParts:
    def test_a_histogram_takes_many_at_once(self) -> None:
        registry = CollectorRegistry()
        lag = Histogram("lag_seconds", "Lag.", bounds=(1, 10), label="of", registry=registry)
        lag.observe_all([(0.5, 3), (1.0, 1), (5.0, 2), (60.0, 1)], of="a")
        lag.observe(2.0, of="b")
        text = generate_latest(registry).decode()
        assert 'lag_seconds_bucket{le="1.0",of="a"} 4.0' in text
        assert 'lag_seconds_bucket{le="10.0",of="a"} 6.0' in text
        assert 'lag_seconds_bucket{le="+Inf",of="a"} 7.0' in text
        assert 'lag_seconds_count{of="a"} 7.0' in text
        assert 'lag_seconds_sum{of="a"} 72.5' in text
        assert 'lag_seconds_count{of="b"} 1.0' in text

    def test_without_a_collector_there_is_nothing_to_say(self) -> None:
        assert not tracing.is_on()
        with tracing.span("scheduler.run", {}):
            assert tracing.headers() == {}
        tracing.record("scheduler.claim", {}, seconds=1.0)

    def test_lines_say_whose_work_they_are_about(self) -> None:
        record = logging.LogRecord("apps.x", logging.WARNING, __file__, 1, "%d were lost", (2,), None)
        log_about(7, 42)
        try:
            line = json.loads(JsonFormatter().format(record))
            assert TextFormatter("{levelname} {message}", style="{").format(record) == (
                "WARNING 2 were lost tenant_id=7 execution_id=42"
            )
        finally:
            log_about()
        assert (line["message"], line["tenant_id"], line["execution_id"]) == ("2 were lost", 7, 42)
        assert datetime.fromisoformat(line["time"]).tzinfo is UTC
        assert "tenant_id" not in json.loads(JsonFormatter().format(record))


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.mark.django_db
class TestTheWeb:
    def test_a_request_is_a_line_with_its_tenants_number(self, acme: Any) -> None:
        logger, kept = logging.getLogger("scheduler.requests"), Kept()
        logger.addHandler(kept)
        logger.setLevel(logging.INFO)
        try:
            with override_settings(LOG_FORMAT="json"):
                client = Client()
                client.get(
                    "/api/scheduler/tasks-needing-intervention/u-77", headers={"host": "acme.localhost"}
                )
                client.get("/healthz")
        finally:
            logger.removeHandler(kept)
            logger.setLevel(logging.NOTSET)
        asked, probed = kept.lines
        assert (asked["method"], asked["status"], asked["tenant_id"]) == ("GET", 401, acme.pk)
        assert "tasks-needing-intervention" in asked["route"]
        assert "u-77" not in json.dumps(asked)
        assert "acme" not in json.dumps(asked)
        assert asked["ms"] > 0
        assert "tenant_id" not in probed

    def test_a_web_process_is_ready_without_a_leader_and_says_so(self) -> None:
        answer = Client().get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["scheduler"] == {"leader": False, "heartbeat_age_seconds": None}
        lead(heartbeat_age=timedelta(seconds=30))
        answer = Client().get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["scheduler"]["leader"] is False
        assert 30 <= answer.json()["scheduler"]["heartbeat_age_seconds"] < 40
        lead()
        assert Client().get("/readyz").json()["scheduler"]["leader"] is True
