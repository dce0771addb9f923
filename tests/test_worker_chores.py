"""What workers do beside executions: they give connected platforms their jobs, one process at a time, and never let it
get in the way of their work.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from standardwebhooks import Webhook

from apps.executions.models import ExecutionLog
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.jobs.platforms.services import user_reconcile
from apps.leadership.locks import CLASS, Lock
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from apps.vault.services import tenant_endpoint_set
from scheduler_saas.chores import Chores, PlatformChore
from tests.contract.line import drain
from tests.factories import make_job
from tests.replicas import wait_for
from tests.test_platform_reconcile import connect, monitoring
from tests.workers import Session, WorkerProcess, execution, put, workers


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests, beside") as session:
        yield session


@pytest.fixture
def start(live_db: str, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    with workers(live_db, tmp_path) as start:
        yield start


@contextmanager
def broken_vault(session: Session, tenant: Any) -> Iterator[None]:
    """The tenant's connections cannot be read."""
    name = f'"{tenant.schema_name}".vault_connection'
    session.execute(f"ALTER TABLE {name} RENAME TO elsewhere")
    try:
        yield
    finally:
        session.execute(f'ALTER TABLE "{tenant.schema_name}".elsewhere RENAME TO vault_connection')


def is_done(session: Session, execution_id: int) -> bool:
    found = session.execute("SELECT 1 FROM executions_executionlog WHERE id = %s", [execution_id]).fetchone()
    return found is not None


class TestOneRun:
    def test_every_tenant_is_seen_to_and_nothing_is_said_of_nothing(
        self, live_db: str, acme: Any, bravo: Any
    ) -> None:
        connect(acme, "bob")
        connect(bravo, "bea", "bing")
        assert PlatformChore().run_once()["created"] == 2
        assert [job.platform for job in monitoring(acme) + monitoring(bravo)] == ["gsc", "bing"]
        assert PlatformChore().run_once() == {}
        with all_tenants_scope():
            runs = AuditEntry.objects.filter(action="reconcile.run")
            assert {entry.tenant_id for entry in runs} == {acme.pk, bravo.pk}
            assert {entry.actor for entry in runs} == {"worker"}

    def test_what_cannot_be_repaired_is_recorded_once(self, live_db: str, acme: Any, plan: Any) -> None:
        connect(acme, "bob")
        plans = type(plan).objects.filter(pk=plan.pk)
        with all_tenants_scope():
            plans.update(max_jobs=0)
        try:
            chore = PlatformChore()
            assert [chore.run_once() for _ in range(3)][1:] == [{}, {}]
            connect(acme, "bea")
            assert chore.run_once()["failures"] == 2, "something new is tried, and the old with it"
            with all_tenants_scope():
                assert AuditEntry.objects.filter(action="reconcile.run").count() == 2
        finally:
            with all_tenants_scope():
                plans.update(max_jobs=plan.max_jobs)

    def test_one_process_at_a_time(self, session: Session, acme: Any) -> None:
        connect(acme, "bob")
        session.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, Lock.PLATFORM_JOBS])
        assert PlatformChore().run_once() == {"busy": 1}
        assert monitoring(acme) == []
        session.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS, Lock.PLATFORM_JOBS])
        assert PlatformChore().run_once()["created"] == 1
        row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [CLASS, Lock.PLATFORM_JOBS]).fetchone()
        assert row == (True,), "it is given back while the session lives on"

    def test_a_tenant_that_cannot_be_read_keeps_no_other_from_its_own(
        self, session: Session, acme: Any, bravo: Any
    ) -> None:
        connect(bravo, "bea")
        with broken_vault(session, acme):
            counts = PlatformChore().run_once()
        assert (counts["failed_tenants"], counts["created"]) == (1, 1)
        assert len(monitoring(bravo)) == 1


class TestTheThread:
    def test_an_interval_of_nothing_means_never(self, live_db: str, acme: Any) -> None:
        connect(acme, "bob")
        with Chores([PlatformChore(interval=0.0)]) as chores:
            assert chores._threads == []
        assert monitoring(acme) == []

    def test_what_goes_wrong_is_tried_again(self, live_db: str, acme: Any) -> None:
        class Stumbles(PlatformChore):
            runs = 0

            def run_once(self) -> dict[str, int]:
                self.runs += 1
                if self.runs == 1:
                    raise RuntimeError("a stumble")
                return super().run_once()

        connect(acme, "bob")
        with Chores([Stumbles(interval=0.05)]) as chores:
            wait_for(lambda: monitoring(acme), "the second run made the job")
        assert not any(thread.is_alive() for thread in chores._threads)


class TestAWorker:
    def test_makes_the_jobs_on_its_schedule_and_ends_when_told(
        self, start: Callable[..., WorkerProcess], session: Session, acme: Any
    ) -> None:
        connect(acme, "bob")
        worker = start("w", PLATFORM_RECONCILE_INTERVAL="0.2")
        wait_for(lambda: len(monitoring(acme)) == 1, "what was connected before", seconds=30)
        connect(acme, "bob", "bing")
        wait_for(lambda: len(monitoring(acme)) == 2, "and what is connected later")
        [done] = put(session, acme, execution(acme))
        wait_for(lambda: is_done(session, done), "an execution beside it")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        assert "1 created" in worker.said()

    def test_of_two_each_connection_is_seen_to_once(
        self, start: Callable[..., WorkerProcess], acme: Any
    ) -> None:
        for number in range(20):
            connect(acme, f"user-{number}")
        for name in ("one", "two"):
            start(name, PLATFORM_RECONCILE_INTERVAL="0.05")
        wait_for(lambda: len(monitoring(acme)) == 20, "all of them", seconds=30)
        with all_tenants_scope():
            assert AuditEntry.objects.filter(action="job.create").count() == 20

    def test_works_on_while_it_fails(
        self, start: Callable[..., WorkerProcess], session: Session, acme: Any, bravo: Any
    ) -> None:
        with broken_vault(session, acme), broken_vault(session, bravo):
            worker = start("w", PLATFORM_RECONCILE_INTERVAL="0.1")
            wait_for(lambda: worker.said().count("could not be reconciled") >= 4, "it fails", seconds=30)
            [done] = put(session, acme, execution(acme))
            wait_for(lambda: is_done(session, done), "an execution all the same")
        connect(acme, "bob")
        wait_for(lambda: monitoring(acme), "and the jobs once it can")

    def test_neither_waits_for_a_held_row_nor_stays_for_it(
        self, start: Callable[..., WorkerProcess], session: Session, live_db: str, acme: Any
    ) -> None:
        """Somebody holds the tenant's row, which making a job needs."""
        connect(acme, "bob")
        with (
            machine.connect(application_name="holder") as holder,
            holder.transaction(),
        ):
            holder.execute("SELECT 1 FROM tenants_tenant WHERE id = %s FOR NO KEY UPDATE", [acme.pk])
            worker = start("w", PLATFORM_RECONCILE_INTERVAL="0.1")
            wait_for(lambda: _blocked(session), "the chore waits", seconds=30)
            [done] = put(session, acme, execution(acme))
            wait_for(lambda: is_done(session, done), "an execution meanwhile")
            told = monotonic()
            worker.process.send_signal(signal.SIGTERM)
            assert worker.wait(15) == 0
            assert monotonic() - told < 10
        wait_for(lambda: not _blocked(session), "its session is gone")
        assert monitoring(acme) == [], "and took back what it had begun"

    def test_a_drain_is_without(self, start: Callable[..., WorkerProcess], acme: Any) -> None:
        connect(acme, "bob")
        assert start("w", "--drain", PLATFORM_RECONCILE_INTERVAL="0.1").wait(30) == 0
        assert monitoring(acme) == []


def _blocked(session: Session) -> bool:
    row = session.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE '%%tenants_tenant%%'"
    ).fetchone()
    return row is not None and row[0] > 0


# -- and what the jobs then do -----------------------------------------------------------------------------------------


@pytest.fixture
def endpoint(
    live_db: str, acme: Any, settings: Any
) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Acme's endpoint: its secret, and what arrives there."""
    arrived: list[tuple[dict[str, str], bytes]] = []

    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with HTTPServer(("127.0.0.1", 0), Site) as site:
        settings.EGRESS_ALLOWED_PORTS = [site.server_port]
        threading.Thread(target=site.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{site.server_port}/"
            yield tenant_endpoint_set(tenant=acme, url=url, actor="tests"), arrived
        finally:
            site.shutdown()


def test_the_endpoint_is_told_what_to_look_at_and_for_whom(endpoint: Any, acme: Any) -> None:
    secret, arrived = endpoint
    connect(acme, "bob")
    user_reconcile(tenant=acme, user_id="bob", actor="tests")
    [job] = monitoring(acme)
    site = make_job(
        acme,
        name="the site",
        target="website_analysis",
        user_id="ann",
        payload={"website_url": "https://shop.example/"},
    )
    ids = {each.id: jobs.job_trigger(tenant=acme, job_id=each.id, actor="tests") for each in (job, site)}
    asyncio.run(drain())
    bodies = {}
    for headers, body in arrived:
        Webhook(secret).verify(body, headers)  # raises where the signature is not the endpoint's
        bodies[json.loads(body)["task_type"]] = json.loads(body)
    gsc, analysis = bodies["gsc_insights"], bodies["website_analysis"]
    assert (gsc["platform"], gsc["user_id"]) == ("gsc", "bob")
    assert (gsc["execution_id"], gsc["job_id"]) == (str(ids[job.id]), str(job.id))
    assert (analysis["platform"], analysis["user_id"]) == (None, "ann")
    assert analysis["website_url"] == "https://shop.example/"
    with tenant_scope(acme):
        assert set(ExecutionLog.objects.values_list("status", flat=True)) == {"success"}
        assert Job.objects.count() == 2
