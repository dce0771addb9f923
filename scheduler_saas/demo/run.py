"""The demo from its empty database to its verdict. Runs without a command line: `Demo(options, stream).run()`."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TextIO

from apps.tenants import machine
from scheduler_saas import embedded
from scheduler_saas.demo import tasks  # noqa: F401 - registers what the jobs are validated against
from scheduler_saas.demo.cast import Company, make_cast
from scheduler_saas.demo.children import Children
from scheduler_saas.demo.database import ScratchDatabase
from scheduler_saas.demo.figures import Watch
from scheduler_saas.demo.leaders import database_now, find_leader, kill_leader, wait_for_successor
from scheduler_saas.demo.sites import Sites
from scheduler_saas.demo.stage import Stage, StageFailed, environment_for
from scheduler_saas.demo.table import Display, display
from scheduler_saas.demo.verdict import Verdict, judge
from scheduler_saas.demo.witnesses import Fault, WatchedJob
from scheduler_saas.demo.workload import import_crontabs, make_load

REPLICAS = 2
LEAST_PER_SECOND = 100.0
RATE_IS_JUDGED_FROM = 20.0  # seconds
_READY_WITHIN = 60.0


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

    def run(self) -> Verdict:
        """Raises StageFailed, ChildDied, and CommandError when the database cannot be had."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        database = ScratchDatabase(self.options.database, whose="demo")
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

    def _run_in(self, database: ScratchDatabase) -> Verdict:
        directory = self.options.directory
        children = Children(environment=environment_for(database.url()), logs=directory)
        try:
            with (
                Sites(port=self.options.port) as sites,
                machine.connect(application_name="scheduler demo") as session,
            ):
                return self._run_with(Stage(children, session, sites, directory), sites)
        finally:
            children.stop(list(children.running), within=5.0)

    def _run_with(self, stage: Stage, sites: Sites) -> Verdict:
        self._say("Starting the web, two schedulers and two workers ...")
        sites.start_web(stage.children)
        for number in range(1, REPLICAS + 1):
            stage.start_scheduler(f"scheduler-{number}")
        stage.start_workers()
        companies = make_cast(receiver_port=sites.receiver_port)
        stage.start_receiver(companies)
        stage.wait("the processes to be ready", _READY_WITHIN, lambda: stage.ready(schedulers=REPLICAS))
        jobs, start = self._make_jobs(companies, stage)
        with display(self._stream, self._welcome(companies, sites, len(jobs))) as shown:
            faults = self._watch(stage, shown, start)
        self._say("Stopping: schedulers, then workers, then the rest ...")
        stopped_at = stage.shut_down()
        history = stage.history(jobs=jobs, started_at=start, stopped_at=stopped_at, faults=faults)
        return judge(history, least_per_second=self._least_per_second())

    def _least_per_second(self) -> float:
        """A little less than asked: the first and last second are not whole. None where they are most of the run."""
        if self.options.seconds is None or self.options.seconds < RATE_IS_JUDGED_FROM:
            return 0.0
        return min(LEAST_PER_SECOND, self.options.rate * 0.9)

    def _make_jobs(self, companies: list[Company], stage: Stage) -> tuple[list[WatchedJob], datetime]:
        """All jobs, and when the load begins: shortly after the last is saved, as the first ones' saving foretells."""
        began = time.monotonic()
        jobs = import_crontabs(companies)
        each = (time.monotonic() - began) / len(jobs)
        start = stage.whole_second(ahead=1.0 + 1.5 * each * self.options.rate)
        return [*jobs, *make_load(companies, rate=self.options.rate, start=start)], start

    def _watch(self, stage: Stage, shown: Display, start: datetime) -> list[Fault]:
        """Until told to stop or the time is over; the leader is killed half-way where that was asked for."""
        self._watching = True
        watch = Watch(stage.session)
        begin = time.monotonic() + (start - database_now(stage.session)).total_seconds()
        seconds = self.options.seconds
        end = None if seconds is None else begin + seconds
        kill_at = begin + (seconds or 20.0) / 2 if self.options.kill_leader else None
        faults: list[Fault] = []
        next_look = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if end is not None and now >= end:
                break
            if kill_at is not None and now >= kill_at:
                kill_at = None
                faults.append(self._replace_leader(stage, shown))
            if now >= next_look:
                next_look = now + 1.0
                stage.children.check()
                shown.show(watch.read())
            moments = [moment for moment in (next_look, end, kill_at) if moment is not None]
            self._stop.wait(max(min(moments) - time.monotonic(), 0.0))
        return faults

    def _replace_leader(self, stage: Stage, shown: Display) -> Fault:
        leader = find_leader(stage.session, stage.children)
        if leader is None:
            raise StageFailed("there is no leader among the demo's processes to kill")
        fault = kill_leader(stage.session, stage.children, leader)
        successor = wait_for_successor(stage.session, fault.epoch)
        after = f"the leader of epoch {successor.epoch} took over" if successor else "nobody took over"
        shown.note(f"Killed {leader.name}, the leader of epoch {leader.epoch}; {after}.")
        stage.start_scheduler(f"{leader.name}-again")
        return fault

    def _welcome(self, companies: list[Company], sites: Sites, jobs: int) -> list[str]:
        lines = [f"{jobs} jobs of {len(companies)} tenants. Logs are in {self.options.directory}.", ""]
        return [*lines, *sites.addresses(companies), ""]

    def _say(self, sentence: str) -> None:
        self._stream.write(f"{sentence}\n")
        self._stream.flush()
