"""Each alert by what really causes it, and its end by the commands of its runbook. Here: leaders, workers and jobs.

Where an alert looks at an hour or at ten minutes, they are passed by making older what it looks at.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F
from django.test import Client

from apps.executions import queue
from apps.executions.models import Execution
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
from apps.leadership.locks import CLASS, Lock
from apps.leadership.loop import Replica
from apps.leadership.models import LeaderTerm, RefusedWrite
from apps.leadership.services import step_down_request
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from scheduler_saas.processes import leader_steps
from tests.alerts import Watch
from tests.contract.line import Leading, check, drain, make_due
from tests.factories import key_of, make_job
from tests.leaders import UNHURRIED
from tests.replicas import wait_for
from tests.workers import Session, execution, put


def once(tenant: Any, **fields: Any) -> Job:
    trigger = TriggerSpec.once(datetime.now(UTC) + timedelta(days=1))
    job: Job = make_job(tenant, trigger=trigger, target="tests.noop", payload={}, **fields)
    return job


def ago(**kwargs: float) -> datetime:
    return datetime.now(UTC) - timedelta(**kwargs)


def waiting() -> int:
    with all_tenants_scope():
        return Execution.objects.count()


def test_no_leader(watch: Watch, settings: Any) -> None:
    assert watch.fires(), "before the first scheduler"
    first = LeaderSession.acquire(replica="one", timings=UNHURRIED)
    assert not watch.fires()
    trust, settings.LEADER_TRUST_WINDOW = settings.LEADER_TRUST_WINDOW, 0.0
    assert watch.fires(), "it leads, and is not heard of"
    settings.LEADER_TRUST_WINDOW = trust
    first.close(reason="stopped")
    assert watch.fires()
    watch.act("*No replica stands by*")
    wait_for(lambda: watch.figure, "a scheduler leads")
    assert not watch.fires()
    holders = partial(watch.read, "It says in its first line")
    with closing(machine.connect(application_name="no scheduler")) as intruder:
        waits = threading.Thread(
            target=intruder.execute, args=(f"SELECT pg_advisory_lock({CLASS}, {Lock.LEADER})",)
        )
        waits.start()
        wait_for(lambda: not all(granted for _, granted, *_ in holders()), "it waits for the lock")
        step_down_request(reason="a drill", actor="tests")
        waits.join(20)
        assert watch.fires(), "who has the lock does not lead, and who would lead has it not"
        (holder,) = {pid for pid, granted, *_ in holders() if granted}
        watch.act("*A backend holds the lock", pid=holder)
        wait_for(lambda: watch.figure, "the standby leads")
        assert not watch.fires()


def test_late(watch: Watch, acme: Any) -> None:
    job = once(acme)
    make_due(job, ago=timedelta(seconds=30))
    assert not watch.fires()
    make_due(job, ago=timedelta(minutes=2))
    with closing(machine.connect(application_name="a person's psql")) as hangs:
        hangs.execute("BEGIN")
        hangs.execute("LOCK TABLE jobs_cursor IN EXCLUSIVE MODE")
        with Leading(Replica(leader_steps(), name="blocked", timings=UNHURRIED)):
            blocked = wait_for(
                lambda: [row for row in watch.read("What the leader does now") if row[4]], "it waits"
            )
            assert watch.fires()
            watch.act(pid=blocked[0][4][0])
            wait_for(lambda: not watch.figure, "what is due is dispatched")
            assert not watch.fires()


def test_queue_old(watch: Watch, session: Session, acme: Any) -> None:
    put(session, acme, execution(acme, run_at=ago(minutes=4)))
    assert not watch.fires()
    put(session, acme, execution(acme, run_at=ago(minutes=6)))
    assert watch.fires()
    watch.act()
    assert not watch.fires()


def test_leases_expired(watch: Watch, session: Session, acme: Any) -> None:
    put(session, acme, execution(acme, max_attempts=2))
    with session.cursor() as cursor:
        queue.claim(worker="dead", limit=1, lease_seconds=0.2).on(cursor)
    assert not watch.fires()
    with closing(machine.connect(application_name="a person's psql")) as console:
        console.execute("BEGIN")
        console.execute("SELECT FROM executions_execution FOR UPDATE")
        wait_for(lambda: watch.figure, "the lease runs out")
        assert check()["reaped"] == 0, "the leader passes over what is locked"
        assert watch.fires()
        watch.act(pid=console.info.backend_pid)
    assert check()["reaped"] == 1
    assert not watch.fires()


def test_failure_rate(watch: Watch, session: Session, acme: Any, start: Any) -> None:
    """One worker has other keys to the vault than the web had."""
    bad = start("bad", VAULT_KEYS="another one's")
    put(session, acme, *[execution(acme) for _ in range(19)])
    wait_for(lambda: not waiting(), "it ends them")
    check()
    assert not watch.fires(), "too few to tell"
    put(session, acme, execution(acme))
    wait_for(lambda: not waiting(), "and one more")
    check()
    assert watch.fires()
    watch.act(pid=bad.pid)
    assert bad.wait() == 0
    put(session, acme, *[execution(acme) for _ in range(21)])
    asyncio.run(drain())
    check()
    assert not watch.fires()


def test_leader_flapping(watch: Watch) -> None:
    for number in range(1, 4):
        LeaderSession.acquire(replica=f"r{number}", timings=UNHURRIED).close(reason="stopped")
        assert not watch.fires()
    calm = Leading(Replica(leader_steps(), name="calm"))
    with Leading(Replica(leader_steps(), name="restless")) as restless:
        wait_for(lambda: restless.epoch, "the fourth term")
        assert watch.fires()
        with calm:
            watch.act()
            restless.stop()
            assert calm.replica.epoch
            LeaderTerm.objects.update(started_at=F("started_at") - timedelta(minutes=10))
            assert not watch.fires(), "ten quiet minutes"


def test_refused_writes(watch: Watch, session: Session, acme: Any, start: Any) -> None:
    """A worker's machine stands still for longer than its leases last."""
    sleeper = start(
        "sleeper", LEASE_SECONDS="1", LEASE_HEARTBEAT="0.3", WORKER_CONCURRENCY="11", WORKER_DRAIN="0"
    )
    rows = [execution(acme, "tests.wait", max_attempts=1) for _ in range(11)]
    put(session, acme, *rows, params={"seconds": 600})
    with all_tenants_scope():
        wait_for(lambda: Execution.objects.filter(state="leased").count() == 11, "it has them all")
        assert not watch.fires()
        sleeper.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: check()["reaped"], "taken back")
        sleeper.process.send_signal(signal.SIGCONT)
        wait_for(RefusedWrite.objects.exists, "it comes back too late")
    assert watch.fires()
    watch.act(pid=sleeper.pid)
    assert sleeper.wait() == 0
    RefusedWrite.objects.update(at=ago(hours=1, minutes=1))
    assert not watch.fires(), "a quiet hour"


def test_quarantined_jobs(watch: Watch, acme: Any, cast: Any) -> None:
    job = once(acme)
    with all_tenants_scope():
        Job.objects.filter(pk=job.pk).update(
            trigger_type="cron", cron_expression="* * * * *", timezone="Mars/Olympus", run_date=None
        )
    check()
    assert not watch.fires(), "not yet due"
    with all_tenants_scope():
        Cursor.objects.update(next_run_at=ago(seconds=1))
    check()
    assert watch.fires()
    watch.on_call.stand_ins["curl"] = _curl  # no web process is needed for the same request
    watch.act(host=cast.host, job=job.pk, key=key_of(cast.ann)[1])
    assert not watch.fires()


def _curl(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append")
    parser.add_argument("-d", dest="body")
    asked = parser.parse_args(words)
    url = urlsplit(asked.url)
    headers = dict(header.split(": ", 1) for header in asked.headers)
    kind = headers.pop("Content-Type")
    client = Client(headers={"Host": url.netloc, **headers})
    answer = client.generic(asked.method, url.path, asked.body, content_type=kind, secure=True)
    assert answer.status_code == 200, answer.content
