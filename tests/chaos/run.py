"""One run: jobs, a fleet, faults by the plan, calm, the end. What comes out is a history."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from apps.jobs.models import Job
from apps.jobs.specs import TriggerSpec
from apps.tenants import machine
from tests.chaos.faults import Fault, strokes
from tests.chaos.fleet import Fleet, Member
from tests.chaos.history import History, read, read_results
from tests.chaos.recorder import Recorder, recording
from tests.factories import make_job

JOBS = 20
CALM_SECONDS = 45.0  # for two processes that start while the machine is busy, an eviction and a lease
DRAIN_SECONDS = 20.0
ORPHAN_SECONDS = 10.0


class Chaos:
    """Strikes and records in one thread. `log` says who was struck."""

    def __init__(self, fleet: Fleet, recorder: Recorder, *, spared: set[int], log: list[str]) -> None:
        self.fleet, self.recorder, self.spared, self.log = fleet, recorder, spared, log
        self.session = recorder.session

    def run(self, faults: list[Fault], seconds: float) -> None:
        start = time.monotonic()
        agenda: list[tuple[float, int, Callable[[], None]]] = []

        def put(at: float, act: Callable[[], None]) -> None:
            heapq.heappush(agenda, (at, len(agenda) + int(at * 1e6), act))

        for fault in faults:
            for at in strokes(fault):
                put(at, lambda fault=fault, at=at: self._strike(fault, at, put))  # type: ignore[misc]
        while (now := time.monotonic() - start) < seconds:
            if agenda and agenda[0][0] <= now:
                heapq.heappop(agenda)[2]()
                continue
            self.fleet.note_deaths()
            until = min(agenda[0][0] if agenda else seconds, seconds)
            self.recorder.listen(min(until - now, 0.2))

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> float:
        """Seconds it took."""
        start = time.monotonic()
        while not condition():
            self.fleet.note_deaths()
            assert time.monotonic() - start < seconds, f"after {seconds:.0f} s still not: {what}"
            self.recorder.listen(0.1)
        return time.monotonic() - start

    def all_connected(self) -> bool:
        """Every process has come so far that it answers signals."""
        names = self.scalar(
            "SELECT string_agg(application_name, ' ') FROM pg_stat_activity WHERE datname = current_database()"
        )
        return all(f" {member.name}" in names for member in self.fleet.members)

    def scalar(self, sql: Any) -> Any:
        row = self.session.execute(sql).fetchone()
        assert row is not None
        return row[0]

    def _strike(self, fault: Fault, at: float, put: Callable[[float, Callable[[], None]], None]) -> None:
        everyone = fault.role == "everyone"
        member = None if everyone else self._member(fault.role)
        if at == fault.at:
            whom = "everyone" if everyone else member.name if member else "nobody"
            self.log.append(f"{fault}: {whom}")
        if fault.kind in ("terminate", "cancel"):
            if everyone or member:
                self._end_sessions(fault.kind, member)
        elif member is None:
            return
        elif fault.kind == "kill":
            self.fleet.kill(member)
            put(at + fault.seconds, lambda: self.fleet.start(member))
        else:
            self.fleet.pause(member)
            name = member.name
            put(at + fault.seconds, lambda: self.fleet.resume(member) if member.name == name else None)

    def _member(self, role: str) -> Member | None:
        """Who has that role at this moment; a scheduler without it if nobody has. Neither the dead nor the paused."""
        able = [member for member in self.fleet.members if not member.killed and not member.paused]
        if role == "worker":
            workers = [member for member in able if member in self.fleet.workers]
            return workers[len(self.log) % len(workers)] if workers else None  # in turn
        leader = self.session.execute(
            "SELECT replica FROM leadership_leaderterm WHERE ended_at IS NULL"
        ).fetchone()
        schedulers = [member for member in able if member in self.fleet.schedulers]
        schedulers.sort(key=lambda member: (leader == (member.name,)) != (role == "leader"))
        return schedulers[0] if schedulers else None

    def _end_sessions(self, kind: str, member: Member | None) -> None:
        """Those of a process; without one, all but the test's own."""
        function = {"terminate": "pg_terminate_backend", "cancel": "pg_cancel_backend"}[kind]
        self.session.execute(
            f"SELECT {function}(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND pid <> ALL(%s) AND application_name LIKE %s",
            [list(self.spared), f"scheduler % {member.name}%" if member else "%"],
        )


def make_jobs(tenants: list[Any], anchor: datetime, runs: Path) -> list[Job]:
    """Every second each, at different moments of it; from `anchor`, which is still to come."""
    made = []
    for number in range(JOBS):
        # The long ones are still running, under a second lease, when the worker that lost the first one wakes up.
        seconds = 1.5 if number % 4 == 1 else 0.02 * (number % 10)
        made.append(
            make_job(
                tenants[number % len(tenants)],
                name=f"every second, {number}",
                trigger=TriggerSpec.every(1, anchor + timedelta(milliseconds=47 * number)),
                target="tests.record_plain" if number in (3, 8) else "tests.record",
                payload={"file": str(runs), "seconds": seconds},
                max_attempts=3,
                retry_delay_seconds=1,
                overlap="skip" if number % 5 == 2 else "allow",
                misfire="skip" if number % 5 == 0 else "fire_once",
                misfire_grace_seconds=1 if number % 5 < 2 else 15,
            )
        )
    return made


def run(
    *, fleet: Fleet, tenants: list[Any], runs: Path, faults: list[Fault], seconds: float, log: list[str]
) -> tuple[History, dict[str, Any]]:
    """The history, and figures; who met which fault is added to `log`. AssertionError where a bound is not kept."""
    figures: dict[str, Any] = {"faults": len(faults)}
    with machine.connect(application_name="chaos") as session, recording(session) as recorder:
        chaos = Chaos(fleet, recorder, spared=_own_backends(session), log=log)
        now = chaos.scalar("SELECT clock_timestamp()")
        make_jobs(tenants, now + timedelta(seconds=1), runs)
        try:
            for member in fleet.members:
                fleet.start(member)
            chaos.wait(lambda: bool(runs.exists()), "a first run", CALM_SECONDS)
            chaos.run(faults, seconds)
            fleet.heal()
            calm = chaos.scalar("SELECT clock_timestamp()")
            behind = (
                "SELECT (SELECT count(*) FROM jobs_cursor WHERE next_run_at < clock_timestamp() - interval '0.5 s')"
                f" + (SELECT count(*) FROM executions_execution WHERE created_at < '{calm.isoformat()}')"
            )
            figures["recovered_in"] = chaos.wait(
                lambda: chaos.all_connected() and chaos.scalar(behind) == 0,
                "recovered after the last fault",
                CALM_SECONDS,
            )
            stopped_at = chaos.scalar("SELECT clock_timestamp()")
            wrong = fleet.stop(fleet.schedulers, seconds=15)
            left = "SELECT count(*) FROM executions_execution"
            figures["drained_in"] = chaos.wait(
                lambda: chaos.scalar(left) == 0, "an empty queue", DRAIN_SECONDS
            )
            wrong += fleet.stop(fleet.workers, seconds=DRAIN_SECONDS)
            assert not wrong, wrong
        finally:
            fleet.end()
        chaos.wait(lambda: not fleet.orphans(), "no process is left", ORPHAN_SECONDS)
        recorder.listen(0.2)
        history = read(session, commits=recorder.commits, runs=runs, stopped_at=stopped_at)
    history.results = read_results(tenants)
    lost = sum(attempt.outcome != "success" for attempt in history.attempts)
    figures |= {"terms": len(history.terms), "executions": len(history.ledger), "lost_attempts": lost}
    figures |= {"skipped": history.totals["skipped"], "runs": len(history.runs)}
    return history, figures


def _own_backends(session: Any) -> set[int]:
    """Those that exist before the fleet does."""
    rows = session.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
    return {pid for (pid,) in rows}
