"""The demo from its empty database to its verdict. Runs without a command line: `Demo(options, stream).run()`."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import psycopg

from apps.tenants import machine
from scheduler_saas import embedded
from scheduler_saas.demo import tasks  # noqa: F401 - registers what the jobs are validated against
from scheduler_saas.demo.cast import Company, make_cast
from scheduler_saas.demo.children import Children
from scheduler_saas.demo.database import DemoDatabase
from scheduler_saas.demo.figures import Watch
from scheduler_saas.demo.history import read_deliveries, read_history
from scheduler_saas.demo.leader_kill import Kill, kill_leader, wait_for_successor
from scheduler_saas.demo.sites import Sites
from scheduler_saas.demo.table import Display, display
from scheduler_saas.demo.verdict import Verdict, judge
from scheduler_saas.demo.witnesses import WatchedJob
from scheduler_saas.demo.workload import import_crontabs, make_load

REPLICAS = WORKERS = 2
LEAST_PER_SECOND = 100.0
RATE_IS_JUDGED_FROM = 20.0  # seconds
_READY_WITHIN = 60.0
_DISPATCHED_WITHIN = 10.0
_DRAINED_WITHIN = 30.0


class DemoFailed(RuntimeError):
    """The demo could not be carried through; the message says at which point."""


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` None: until told to stop. `rate` in executions a second. `port` is the first one tried for the web."""

    database: str
    directory: Path
    seconds: float | None = None
    kill_leader: bool = False
    rate: int = 120
    port: int = 8000


class Demo:
    def __init__(self, options: Options, stream: TextIO) -> None:
        self.options = options
        self._stream = stream
        self._stop = threading.Event()
        self._watching = False
        options.directory.mkdir(parents=True, exist_ok=True)
        self._record = options.directory / "deliveries.jsonl"

    def run(self) -> Verdict:
        """Raises DemoFailed, ChildDied, and CommandError when the database cannot be had."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        database = DemoDatabase(self.options.database)
        try:
            self._say("Making the database ...")
            database.make()
            return self._run_in(database)
        finally:
            database.close()
            if embedded.is_configured() and embedded.started_here():
                embedded.stop()

    def _told_to_stop(self, signum: int, frame: FrameType | None) -> None:
        """The first time while it runs: an orderly end. Earlier or again: out, by way of the `finally`s."""
        if self._stop.is_set() or not self._watching:
            raise KeyboardInterrupt
        self._stop.set()

    def _run_in(self, database: DemoDatabase) -> Verdict:
        environment = {
            **os.environ,
            "DATABASE_URL": database.url(),
            "LEADER_DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.demo",
            "EGRESS_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        }
        children = Children(environment=environment, logs=self.options.directory)
        try:
            with (
                Sites(port=self.options.port) as sites,
                machine.connect(application_name="scheduler demo") as session,
            ):
                return self._run_with(children, sites, session)
        finally:
            children.stop(list(children.running), within=5.0)

    def _run_with(self, children: Children, sites: Sites, session: psycopg.Connection[Any]) -> Verdict:
        self._say("Starting the web, two schedulers and two workers ...")
        sites.start_web(children)
        for number in range(1, REPLICAS + 1):
            self._start_scheduler(children, f"scheduler-{number}")
        for number in range(1, WORKERS + 1):
            children.start(f"worker-{number}", ["manage.py", "run_worker", "--name", f"worker-{number}"])
        companies = make_cast(receiver_port=sites.receiver_port)
        sites.start_receiver(children, {company.name: company.secret for company in companies}, self._record)
        self._wait("the processes to be ready", _READY_WITHIN, children, lambda: _ready(session, sites))
        jobs, start = self._make_jobs(companies, session)
        with display(self._stream, self._welcome(companies, sites, len(jobs))) as shown:
            kill = self._watch(children, session, shown, start)
        self._say("Stopping: schedulers, then workers, then the rest ...")
        stopped_at = self._shut_down(children, session)
        history = read_history(
            session,
            jobs=jobs,
            deliveries=read_deliveries(self._record),
            started_at=start,
            stopped_at=stopped_at,
            kill=kill,
        )
        return judge(history, least_per_second=self._least_per_second())

    def _least_per_second(self) -> float:
        """A little less than asked: the first and last second are not whole. None where they are most of the run."""
        if self.options.seconds is None or self.options.seconds < RATE_IS_JUDGED_FROM:
            return 0.0
        return min(LEAST_PER_SECOND, self.options.rate * 0.9)

    def _make_jobs(
        self, companies: list[Company], session: psycopg.Connection[Any]
    ) -> tuple[list[WatchedJob], datetime]:
        """All jobs, and when the load begins: shortly after the last is saved, as the first ones' saving foretells."""
        began = time.monotonic()
        jobs = import_crontabs(companies)
        each = (time.monotonic() - began) / len(jobs)
        start = _whole_second(session, ahead=1.0 + 1.5 * each * self.options.rate)
        return [*jobs, *make_load(companies, rate=self.options.rate, start=start)], start

    def _start_scheduler(self, children: Children, name: str) -> None:
        children.start(name, ["manage.py", "run_scheduler", "--replica", name])

    def _watch(
        self, children: Children, session: psycopg.Connection[Any], shown: Display, start: datetime
    ) -> Kill | None:
        """Until told to stop or the time is over; the leader is killed half-way where that was asked for."""
        self._watching = True
        watch = Watch(session)
        begin = time.monotonic() + (start - _now(session)).total_seconds()
        seconds = self.options.seconds
        end = None if seconds is None else begin + seconds
        kill_at = begin + (seconds or 20.0) / 2 if self.options.kill_leader else None
        kill: Kill | None = None
        next_look = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if end is not None and now >= end:
                break
            if kill_at is not None and now >= kill_at:
                kill_at = None
                kill = self._replace_leader(children, session, shown)
            if now >= next_look:
                next_look = now + 1.0
                children.check()
                shown.show(watch.read())
            moments = [moment for moment in (next_look, end, kill_at) if moment is not None]
            self._stop.wait(max(min(moments) - time.monotonic(), 0.0))
        return kill

    def _replace_leader(
        self, children: Children, session: psycopg.Connection[Any], shown: Display
    ) -> Kill | None:
        kill = kill_leader(session, children)
        if kill is None:
            raise DemoFailed("there is no leader among the demo's processes to kill")
        epoch = wait_for_successor(session, kill)
        shown.note(
            f"Killed {kill.name}, the leader of epoch {kill.epoch}; the leader of epoch {epoch} took over."
        )
        self._start_scheduler(children, f"{kill.name}-again")
        return kill

    def _shut_down(self, children: Children, session: psycopg.Connection[Any]) -> datetime:
        """The stop instant: the database's clock now. What is due by then is still dispatched, and all of it is run."""
        stopped_at = _now(session)
        self._until(_DISPATCHED_WITHIN, lambda: not _any(session, _UNDISPATCHED, {"until": stopped_at}))
        children.stop(children.named("scheduler"), within=10.0)
        self._until(_DRAINED_WITHIN, lambda: not _any(session, _UNFINISHED))
        children.stop(children.named("worker"), within=30.0)
        children.stop(["web", "receiver"], within=10.0)
        return stopped_at

    def _wait(self, what: str, seconds: float, children: Children, condition: Callable[[], bool]) -> None:
        def ready() -> bool:
            children.check()
            return condition()

        if not self._until(seconds, ready):
            raise DemoFailed(f"waited {seconds:.0f} s in vain for {what}; see {self.options.directory}")

    @staticmethod
    def _until(seconds: float, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        while not (met := condition()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return met

    def _welcome(self, companies: list[Company], sites: Sites, jobs: int) -> list[str]:
        lines = [f"{jobs} jobs of {len(companies)} tenants. Logs are in {self.options.directory}.", ""]
        return [*lines, *sites.addresses(companies), ""]

    def _say(self, sentence: str) -> None:
        self._stream.write(f"{sentence}\n")
        self._stream.flush()


_UNDISPATCHED = "SELECT FROM jobs_cursor WHERE next_run_at <= %(until)s"
_UNFINISHED = "SELECT FROM executions_execution"
_SESSIONS = """
SELECT count(*) FILTER (WHERE application_name LIKE 'scheduler leader %%' AND application_name NOT LIKE '%% probe'),
       count(*) FILTER (WHERE application_name LIKE 'scheduler worker %% claims'),
       (SELECT count(*) FROM leadership_leaderterm WHERE ended_at IS NULL)
FROM pg_stat_activity WHERE datname = current_database()
"""


def _ready(session: psycopg.Connection[Any], sites: Sites) -> bool:
    row = session.execute(_SESSIONS, {}).fetchone()
    return row == (REPLICAS, WORKERS, 1) and sites.answer()


def _any(session: psycopg.Connection[Any], sql: Any, params: dict[str, Any] | None = None) -> bool:
    return session.execute(sql, params).fetchone() is not None


def _now(session: psycopg.Connection[Any]) -> datetime:
    row = session.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    moment: datetime = row[0]
    return moment


def _whole_second(session: psycopg.Connection[Any], *, ahead: float) -> datetime:
    moment = _now(session) + timedelta(seconds=ahead + 1)
    return moment.replace(microsecond=0)
