"""One run: jobs, a fleet, faults by the plan, calm, the end. What comes out is a history."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection

from apps.jobs.specs import TriggerSpec
from apps.tenants import machine
from apps.vault.services import tenant_endpoint_set
from tests.chaos.chaos import Chaos
from tests.chaos.clocks import Clock, compiled
from tests.chaos.faults import KINDS, Fault
from tests.chaos.fleet import Fleet
from tests.chaos.history import History, read, read_deliveries, read_log, read_outputs
from tests.chaos.receiver import Receiver, receiving
from tests.chaos.recorder import keep_commits, kept_commits
from tests.chaos.relay import Relay
from tests.clusters import DATABASE, ROLE, Cluster
from tests.factories import make_job

JOBS = 20
BRIEF = {"WORKER_DRAIN": "0.4"}  # shorter than some runs: those are released
CALM_SECONDS = 45.0  # for processes that start while the machine is busy, an eviction and a lease
DRAIN_SECONDS = 20.0
ORPHAN_SECONDS = 10.0


def make_jobs(
    tenants: list[Any], anchor: datetime, runs: Path, canaries: dict[str, str] | None = None
) -> None:
    """Every second each, at different moments of it; from `anchor`, which is still to come. With the tenants' canaries
    they say them in results, errors and requests.
    """
    for number in range(JOBS):
        tenant = tenants[number % len(tenants)]
        # The long ones are still running, under a second lease, when the worker that lost the first one wakes up.
        seconds = 1.5 if number % 4 == 1 else 0.02 * (number % 10)
        target = "tests.record_plain" if number in (3, 8) else "tests.record"
        payload: dict[str, Any] = {"file": str(runs), "seconds": seconds}
        if canaries is not None:
            words = canaries[tenant.schema_name]
            target, payload = target.replace("record", "keep"), payload | {"words": words}
            if number in (6, 7, 10, 15):
                target, payload = "http_request", {"json": {"words": words}}
            elif number in (4, 19):
                payload["fails"] = True
        make_job(
            tenant,
            name=f"every second, {number}",
            trigger=TriggerSpec.every(1, anchor + timedelta(milliseconds=47 * number)),
            target=target,
            payload=payload,
            max_attempts=3,
            retry_delay_seconds=1,
            overlap="skip" if number % 5 == 2 else "allow",
            misfire="skip" if number % 5 == 0 else "fire_once",
            misfire_grace_seconds=1 if number % 5 < 2 else 15,
        )


def run(
    *,
    ground: Cluster,
    tenants: list[Any],
    directory: Path,
    faults: list[Fault],
    seconds: float,
    log: list[str],
) -> tuple[History, dict[str, Any], Fleet]:
    """The history, and figures; who met which fault is added to `log`. AssertionError where a bound is not kept."""
    runs = directory / "runs.jsonl"
    canaries = {tenant.schema_name: f"canary-{tenant.schema_name}-{uuid4().hex}" for tenant in tenants}
    relay = Relay(lambda: asyncio.open_connection("127.0.0.1", ground.port))
    fleet = Fleet(
        f"postgresql://{ROLE}@127.0.0.1:{relay.port}/{DATABASE}", directory / "fleet.log", environment=BRIEF
    )
    if (library := compiled(directory)) is not None:
        for member in fleet.members:
            if member.place in KINDS["clock"][1]:
                member.clock = Clock(directory / f"clock-{member.place}", library)
    chaos = Chaos(fleet, ground, relay, log)
    try:
        with receiving() as receiver:
            _set(tenants, canaries, receiver, runs)
            try:
                history, figures = _run(chaos, runs, faults, seconds)
            finally:
                fleet.end()
            chaos.wait(lambda: not fleet.orphans(), "no process is left", ORPHAN_SECONDS)
            read_deliveries(history, receiver.deliveries)
    finally:
        chaos.close()
        relay.close()
    history.canaries = canaries
    read_outputs(history, tenants)
    read_log(history, fleet.log)
    figures |= chaos.figures()
    outcomes = [attempt.outcome for attempt in history.attempts]
    figures |= {outcome: outcomes.count(outcome) for outcome in ("lost", "released", "failed")}
    figures |= {"terms": len(history.terms), "executions": len(history.ledger), "runs": len(history.runs)}
    figures |= {"skipped": history.totals["skipped"], "webhooks": len(history.deliveries)}
    return history, figures, fleet


def _set(tenants: list[Any], canaries: dict[str, str], receiver: Receiver, runs: Path) -> None:
    for tenant in tenants:
        name = tenant.schema_name
        receiver.secrets[name] = tenant_endpoint_set(tenant=tenant, url=receiver.url_of(name), actor="tests")
    with machine.connect(application_name="chaos") as session:
        keep_commits(session)
        now = session.execute("SELECT clock_timestamp()").fetchall()[0][0]
    make_jobs(tenants, now + timedelta(seconds=1), runs, canaries)
    connection.close()  # it would not outlive a crash


def _run(chaos: Chaos, runs: Path, faults: list[Fault], seconds: float) -> tuple[History, dict[str, Any]]:
    fleet, figures = chaos.fleet, {"faults": len(faults)}
    for member in fleet.members:
        fleet.start(member)
    chaos.wait(runs.exists, "a first run", CALM_SECONDS)
    chaos.run(faults, seconds)
    chaos.calm()
    calm = chaos.scalar("SELECT clock_timestamp()")
    behind = (
        "SELECT (SELECT count(*) FROM jobs_cursor WHERE next_run_at < clock_timestamp() - interval '0.5 s')"
        f" + (SELECT count(*) FROM executions_execution WHERE created_at < '{calm.isoformat()}')"
    )
    recovered_in = chaos.wait(
        lambda: chaos.all_connected() and chaos.scalar(behind) == 0,
        "recovered after the last fault",
        CALM_SECONDS,
    )
    chaos.wait(chaos.helped, "reapers and reconciles ended", CALM_SECONDS)
    stopped_at = chaos.scalar("SELECT clock_timestamp()")
    wrong = fleet.stop(fleet.schedulers, seconds=15)
    left = "SELECT count(*) FROM executions_execution"
    drained_in = chaos.wait(lambda: chaos.scalar(left) == 0, "an empty queue", DRAIN_SECONDS)
    wrong += fleet.stop(fleet.workers, seconds=DRAIN_SECONDS)
    assert not wrong, wrong
    history = read(chaos.session, commits=kept_commits(chaos.session), runs=runs, stopped_at=stopped_at)
    history.witnessed, history.told_to_stop = chaos.witnessed, fleet.told_to_stop
    return history, {**figures, "recovered_in": recovered_in, "drained_in": drained_in}
