"""The demo as people start it: a process that starts the others, judges what they did, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from scheduler_saas.demo.database import drop_database
from tests.replicas import ROOT, wait_for

pytestmark = pytest.mark.same_on_every_postgres

RATE = 40


class DemoProcess:
    """`manage.py demo` with a database, a directory and ports of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.database = f"scheduler_demo_{os.getpid()}"
        self.output = directory / "stdout"
        self._errors = directory / "stderr"
        # As `make demo` runs it: no settings named, the server that DATABASE_URL names or the embedded one.
        env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        fixed = ["--database", self.database, "--directory", str(directory), "--port", "18000"]
        command = [sys.executable, "manage.py", "demo", "--rate", str(RATE), *fixed, *arguments]
        with self.output.open("wb") as out, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=errors)

    def said(self, text: str) -> bool:
        assert self.process.poll() is None, self.errors()
        return text in self.output.read_text()

    def errors(self) -> str:
        return self._errors.read_text()[-3000:]

    def left(self) -> list[str]:
        """What still runs with this demo's database in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != self.process.pid and self.database in process.environ().get(
                    "DATABASE_URL", ""
                ):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@pytest.fixture
def demo(tmp_path: Path, live_db: str) -> Iterator[Any]:
    started: list[DemoProcess] = []

    def start(*arguments: str) -> DemoProcess:
        started.append(DemoProcess(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        wait_for(lambda one=one: not one.left(), "the demo's processes to be gone", seconds=40)  # type: ignore[misc]
        with psycopg.connect(live_db, autocommit=True) as session:
            drop_database(session, one.database)


def test_every_due_tick_has_one_outcome_though_the_leader_is_killed(demo: Any) -> None:
    run = demo("--for", "12", "--kill-leader", "--json")
    status = run.process.wait(150)
    assert status == 0, run.errors()
    figures = json.loads(run.output.read_text().splitlines()[-1])
    assert figures["due"] == figures["outcomes"] >= RATE * 10
    assert figures["succeeded"] + figures["failed"] + figures["skipped"] == figures["outcomes"]
    assert figures["succeeded"] >= RATE * 8
    nothing = ("duplicates", "lost", "unexpected", "pending", "http_unknown", "http_unseen", "bad_signatures")
    assert {name: figures[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert figures["http_received"] >= RATE * 4
    assert figures["leaders_max"] == 1
    assert figures["terms"] >= 2
    assert 0 < figures["takeover_ms"] < 10_000
    assert 0 < figures["lag_ms"]["p50"] <= figures["lag_ms"]["p99"]
    assert run.left() == []


@pytest.mark.same_on_every_postgres
def test_ctrl_c_ends_it_in_order_and_the_verdict_is_still_given(demo: Any) -> None:
    run = demo("--json")
    wait_for(lambda: run.said("epoch 1, fired"), "the first figures", seconds=90)
    assert len(run.left()) >= 6  # receiver, web, two schedulers, two workers
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(90) == 0, run.errors()
    figures = json.loads(run.output.read_text().splitlines()[-1])
    assert figures["due"] == figures["outcomes"] > 0
    assert figures["takeover_ms"] is None
    assert run.left() == []


@pytest.mark.same_on_every_postgres
def test_killed_itself_it_takes_its_processes_along(demo: Any) -> None:
    run = demo()
    wait_for(lambda: run.said("Logs are in"), "the processes to be at work", seconds=90)
    assert len(run.left()) >= 6
    run.process.kill()
    run.process.wait(10)
    wait_for(lambda: not run.left(), "the orphans to end", seconds=60)
