"""`manage.py leadership`: what on-call sees, asks for and rehearses, with real sessions and processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.leadership.report import Report, TermLine
from apps.leadership.session import LeaderSession, connect
from apps.leadership.timings import Timings
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from scheduler_saas.demo.database import drop_database
from tests.leaders import UNHURRIED
from tests.replicas import ROOT, ReplicaProcess, replicas, wait_for

pytestmark = pytest.mark.same_on_every_postgres

Start = Callable[..., ReplicaProcess]


@pytest.fixture
def start(live_db: str, tmp_path: Path) -> Iterator[Start]:
    with replicas(live_db, tmp_path) as starter:
        yield starter


@pytest.fixture
def lead(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="first", timings=UNHURRIED)
    yield session
    session.close(reason="the test is over")


def status(capsys: Any, *, code: int) -> dict[str, Any]:
    """`status --json`, which has to exit with `code`."""
    capsys.readouterr()
    if code:
        with pytest.raises(SystemExit) as left:
            call_command("leadership", "status", "--json")
        assert left.value.code == code
    else:
        call_command("leadership", "status", "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


# status


def test_status_when_nobody_ever_led(live_db: str, capsys: Any) -> None:
    found = status(capsys, code=1)
    assert found["sentence"] == "Nobody leads; no replica stands by."
    assert (found["ok"], found["leader"], found["terms"]) == (False, None, [])


def test_status_says_who_leads_and_who_stands_by(lead: LeaderSession, capsys: Any) -> None:
    with connect(replica="second", timings=UNHURRIED):
        found = status(capsys, code=0)
        assert found["sentence"] == f"first leads, epoch {lead.epoch}; 1 replica stands by."
        assert (found["ok"], found["agree"]) == (True, True)
        leader = found["leader"]
        assert (leader["replica"], leader["process_id"]) == ("first", os.getpid())
        assert leader["backend_pid"] == lead.connection.info.backend_pid == found["lock_holders"][0]
        assert 0 <= leader["heartbeat_age"] < 5
        assert [standby["replica"] for standby in found["standbys"]] == ["second"]
        call_command("leadership", "status")
        shown = capsys.readouterr().out
    assert f"first leads, epoch {lead.epoch}" in shown
    assert "standby second" in shown
    assert "first: open" in shown


def test_status_says_how_terms_ended(live_db: str, capsys: Any) -> None:
    for reason in ("stopped", "stepped down: a new kernel"):
        LeaderSession.acquire(replica="first", timings=UNHURRIED).close(reason=reason)
    with LeaderSession.acquire(replica="first", timings=UNHURRIED).connection:
        pass  # gone without a word
    LeaderTerm.objects.create(
        term_id="00000000-0000-0000-0000-000000000001",
        replica="long ago",
        host="",
        process_id=1,
        backend_pid=1,
        ended_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    wait_for(lambda: not read_holders(), "its lock is free")
    found = status(capsys, code=1)
    epoch = found["terms"][0]["epoch"]
    assert found["sentence"] == (
        f"Nobody leads: the session of epoch {epoch} (first) is gone, and nobody has taken over; no replica stands by."
    )
    assert found["agree"] is False
    assert [term["end_reason"] for term in found["terms"]] == ["", "stepped down: a new kernel", "stopped"]


def test_status_tells_of_a_lock_without_a_term_and_of_a_silent_leader(
    lead: LeaderSession, capsys: Any
) -> None:
    pid = lead.connection.info.backend_pid
    LeaderTerm.objects.update(heartbeat_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert "has been silent for" in status(capsys, code=1)["sentence"]
    LeaderTerm.objects.update(ended_at=datetime.now(UTC))
    found = status(capsys, code=1)
    assert found["sentence"] == f"Backend {pid} holds the lock, and no term is open."
    assert found["agree"] is False


LINE = TermLine(7, "r", "h", 1, 100, datetime(2026, 1, 1, tzinfo=UTC), None, "", "", 0.1, 60.0)


def test_a_report_disagrees_where_two_terms_are_open_or_another_holds_the_lock() -> None:
    assert Report([LINE], [100]).trouble == ""
    assert Report([replace_line(epoch=8), LINE], [100]).trouble == "2 terms are open: epochs 8, 7."
    stranger = "Backend 101 holds the lock, but the open term, epoch 7, is of backend 100."
    assert Report([LINE], [101]).trouble == stranger


def replace_line(**changes: Any) -> TermLine:
    return LINE._replace(**changes)


def read_holders() -> list[int]:
    from apps.leadership.report import read_report

    return read_report().holders


# step-down


def test_step_down_needs_a_reason_and_a_leader(live_db: str) -> None:
    with pytest.raises(CommandError, match="needs a reason"):
        call_command("leadership", "step-down")
    with pytest.raises(CommandError, match="limited to 186 characters"):
        call_command("leadership", "step-down", "--reason", "x" * 187)
    with pytest.raises(CommandError, match="Nobody leads"):
        call_command("leadership", "step-down", "--reason", "why not")
    with all_tenants_scope():
        assert not AuditEntry.objects.filter(action="leadership.step_down").exists()


def test_a_leader_that_does_not_answer_is_reported(lead: LeaderSession) -> None:
    with (
        lead.transaction(),
        pytest.raises(CommandError, match=r"\(first\) has been in a transaction for 0.2 s"),
    ):
        call_command("leadership", "step-down", "--reason", "test", "--wait", "0.2")
    with pytest.raises(CommandError, match="nobody else leads"):
        call_command("leadership", "step-down", "--reason", "test", "--wait", "0.2")
    lead.beat()
    assert lead.step_down_reason == "test"


def test_the_leader_steps_down_and_the_other_takes_over(start: Start, capsys: Any) -> None:
    start("a")
    wait_for(lambda: leads("a"), "a leads")
    start("b")
    wait_for(lambda: sessions("b"), "b stands by")
    term = LeaderTerm.objects.get(ended_at=None)
    call_command("leadership", "step-down", "--reason", "a new\nkernel", "--actor", "erin")
    shown = capsys.readouterr().out
    wait_for(lambda: sessions("a"), "a stands by")
    old, new = LeaderTerm.objects.order_by("epoch")
    assert (old.epoch, old.end_reason) == (term.epoch, "stepped down: a new kernel")
    assert (new.replica, new.ended_at) == ("b", None)
    assert old.ended_at is not None
    nobody_led = (new.started_at - old.ended_at).total_seconds() * 1000
    assert 0 <= nobody_led < 1000
    assert shown.splitlines() == [
        f"Epoch {old.epoch} (a) ended: stepped down: a new kernel",
        f"Epoch {new.epoch} (b) began.",
        f"Nobody led for {nobody_led:.1f} ms.",
    ]
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="leadership.step_down")
        assert (entry.actor, entry.reason, entry.object_id) == ("erin", "a new kernel", str(old.epoch))
        stop = SchedulerEvent.objects.get(event_type="stop", epoch=old.epoch)
        assert stop.event_data == {"reason": "stepped down: a new kernel"}


def test_alone_the_same_replica_leads_again(start: Start, capsys: Any) -> None:
    replica = start("a")
    wait_for(lambda: leads("a"), "a leads")
    call_command("leadership", "drill", "--live", "--yes", "--rounds", "2", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["mode"], found["rounds"], found["leaders_max"]) == ("live", 2, 1)
    assert 0 < found["takeover_ms"]["p50"] <= found["takeover_ms"]["max"] < 5000
    assert replica.process.poll() is None
    reasons = [term.end_reason for term in LeaderTerm.objects.order_by("epoch")]
    assert reasons == ["stepped down: drill"] * 2 + [""]


def test_a_leader_that_never_sleeps_hears_of_it_too(live_db: str) -> None:
    from apps.leadership.loop import Replica
    from apps.leadership.steps import StepResult

    class Busy:
        name, every = "busy", 0.0

        def run_once(self, session: LeaderSession) -> StepResult:
            with session.transaction():
                return StepResult({"found": 1}, again=True)

    replica = Replica([Busy()], name="busy", timings=Timings())
    running = threading.Thread(target=replica.run)
    running.start()
    try:
        wait_for(lambda: leads("busy"), "it leads")
        call_command("leadership", "step-down", "--reason", "test")
    finally:
        replica.stop()
        running.join(10)
    reasons = [term.end_reason for term in LeaderTerm.objects.order_by("epoch")]
    assert reasons == ["stepped down: test", "stopped"]


def test_live_rounds_are_not_begun_by_mistake(live_db: str) -> None:
    with pytest.raises(CommandError, match="say --yes"):
        call_command("leadership", "drill", "--live")


def leads(replica: str) -> bool:
    return LeaderTerm.objects.filter(replica=replica, ended_at=None).exists()


def sessions(replica: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
            [f"scheduler leader {replica}"],
        )
        return int(cursor.fetchone()[0])


# drill

# Twice the heartbeat for a bound with room: these run side by side, on whatever machine.
CALM = {"LEADER_IDLE_TIMEOUT": "2", "LEADER_HEARTBEAT": "1", "LEADER_TRUST_WINDOW": "30"}


class DrillProcess:
    """`manage.py leadership drill` with a database and a directory of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir()
        self.database = f"scheduler_drill_{directory.name}_{os.getpid()}"
        self._out, self._errors = directory / "stdout", directory / "stderr"
        fixed = ["--database", self.database, "--directory", str(directory), "--rate", "10", "--json"]
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "leadership", "drill", *fixed, *arguments],
                cwd=ROOT,
                env={**os.environ, **CALM},
                stdout=out,
                stderr=errors,
            )

    def errors(self) -> str:
        return self._errors.read_text()

    def figures(self) -> dict[str, Any]:
        """Its output is one JSON object and nothing else."""
        found: dict[str, Any] = json.loads(self._out.read_text())
        return found

    def left(self) -> list[str]:
        """What it started and still is there."""
        return [" ".join(process.cmdline()) for process in self._children()]

    def states(self) -> list[str]:
        return [process.status() for process in self._children()]

    def _children(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                named = self.database in process.environ().get("DATABASE_URL", "")
                if named and process.pid != self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def has_database(self, session: psycopg.Connection[Any]) -> bool:
        found = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database])
        return found.fetchone() is not None


@pytest.fixture
def server(live_db: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(live_db, autocommit=True) as session:
        yield session


@pytest.fixture
def drill(tmp_path: Path, server: psycopg.Connection[Any]) -> Iterator[Callable[..., DrillProcess]]:
    started: list[DrillProcess] = []

    def start(name: str, *arguments: str) -> DrillProcess:
        started.append(DrillProcess(tmp_path / name, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        wait_for(lambda one=one: not one.left(), "its processes to be gone", seconds=40)  # type: ignore[misc]
        drop_database(server, one.database)


def test_drills_of_every_mode_end_to_end(
    drill: Callable[..., DrillProcess], server: psycopg.Connection[Any]
) -> None:
    runs = {
        "kill": drill("kill", "--mode", "kill", "--rounds", "2", "--stopped-standby"),
        "terminate": drill("terminate", "--mode", "terminate", "--rounds", "3"),
        "pause": drill("pause", "--mode", "pause", "--rounds", "2"),
        "partition": drill("partition", "--mode", "partition", "--rounds", "2"),
    }
    interrupted = drill("interrupted", "--mode", "pause", "--rounds", "50")
    wait_for(
        lambda: psutil.STATUS_STOPPED in interrupted.states(),
        "one of its schedulers to be stopped",
        seconds=90,
    )
    assert len(interrupted.states()) >= 7  # two schedulers, two relays, two workers, the receiver
    assert interrupted.has_database(server)
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.process.wait(30) == 1
    assert "everything that was started has been stopped" in interrupted.errors()
    assert interrupted.left() == []
    assert not interrupted.has_database(server)
    for mode, run in runs.items():
        assert run.process.wait(120) == 0, run.errors()
        figures = run.figures()
        assert (figures["mode"], figures["rounds"]) == (mode, 3 if mode == "terminate" else 2)
        assert (figures["duplicates"], figures["lost"], figures["leaders_max"]) == (0, 0, 1)
        assert figures["due"] > 0
        takeover = figures["takeover_ms"]
        assert 0 < takeover["p50"] <= takeover["p99"] <= takeover["max"]
        if mode in ("pause", "partition"):
            assert takeover["p50"] > 800  # the server found out, and was not told
            assert takeover["max"] <= figures["bound_ms"] == 3500
            assert figures["late_commits_refused"] >= 1
        assert run.left() == []
        assert not run.has_database(server)


def test_a_drill_needs_a_mode_and_two_replicas(live_db: str) -> None:
    with pytest.raises(CommandError, match="required"):
        call_command("leadership", "drill")
    with pytest.raises(CommandError, match="two replicas"):
        call_command("leadership", "drill", "--mode", "kill", "--replicas", "1")
