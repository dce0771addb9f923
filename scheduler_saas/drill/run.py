"""A drill from its empty database to its verdict. Runs without a command line: `Drill(options, show).run()`."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from django.conf import settings
from psycopg.conninfo import make_conninfo

from apps.leadership.timings import Timings
from apps.tenants import machine
from scheduler_saas import embedded
from scheduler_saas.demo import tasks  # noqa: F401 - registers what the jobs are validated against
from scheduler_saas.demo.cast import make_cast
from scheduler_saas.demo.children import Children
from scheduler_saas.demo.database import ScratchDatabase
from scheduler_saas.demo.leaders import Leader, database_now, find_leader, wait_for_successor
from scheduler_saas.demo.sites import Sites
from scheduler_saas.demo.stage import Stage, environment_for
from scheduler_saas.demo.timing import milliseconds
from scheduler_saas.demo.verdict import Verdict
from scheduler_saas.demo.witnesses import Fault, WatchedJob
from scheduler_saas.demo.workload import make_load
from scheduler_saas.drill.faults import Killed, Mode, Partitioned, Paused, Terminated
from scheduler_saas.drill.relays import Relay
from scheduler_saas.drill.verdict import judge_drill

MODES = ("kill", "pause", "terminate", "partition")
SILENT = ("pause", "partition")  # the server has to find out by itself
STOPPED_STANDBY = "scheduler-stopped"
_READY_WITHIN = 60.0
_MARGIN = 0.5  # seconds, for a poll, a transaction and a machine that has other things to do


@dataclass(frozen=True, slots=True)
class Options:
    """`rate` in executions a second, beside which the leader is hurt."""

    mode: str
    rounds: int
    database: str
    directory: Path
    replicas: int = 2
    stopped_standby: bool = False
    rate: int = 40


def silence_bound_ms(timings: Timings) -> float:
    """How long a leader that says nothing may go on holding the lock.

    The server gives up on its session after the idle timeout; where that does not count (the server waits for the
    client to read), a standby looks every heartbeat and judges by the same time.
    """
    return round((timings.idle_timeout + timings.heartbeat + _MARGIN) * 1000)


class Drill:
    """`show` gets a line for each thing that happens."""

    def __init__(self, options: Options, show: Callable[[str], None]) -> None:
        self.options = options
        self._show = show
        options.directory.mkdir(parents=True, exist_ok=True)

    def run(self) -> Verdict:
        """Raises StageFailed, ChildDied, and CommandError when the database cannot be had."""
        with _interruptible():
            database = ScratchDatabase(self.options.database, whose="drill")
            try:
                self._show("Making the database ...")
                database.make()
                return self._run_in(database)
            finally:
                database.drop()
                database.close()
                if embedded.is_configured() and embedded.started_here():
                    embedded.stop()

    def _run_in(self, database: ScratchDatabase) -> Verdict:
        directory = self.options.directory
        children = Children(environment=environment_for(database.url()), logs=directory)
        route = make_conninfo(settings.LEADER_DATABASE_URL or database.url(), dbname=database.name)
        try:
            with Sites() as sites, machine.connect(application_name="scheduler drill") as session:
                return self._run_with(Stage(children, session, sites, directory), sites, route)
        finally:
            children.stop(list(children.running), within=5.0)

    def _run_with(self, stage: Stage, sites: Sites, route: str) -> Verdict:
        options = self.options
        self._show(f"Starting {options.replicas} schedulers and the workers ...")
        mode, relays = self._mode(stage, route)
        stage.start_workers()
        companies = make_cast(receiver_port=sites.receiver_port)
        stage.start_receiver(companies)
        stage.wait(
            "the processes to be ready", _READY_WITHIN, lambda: stage.ready(schedulers=options.replicas)
        )
        start = stage.whole_second(ahead=1.0 + 0.05 * options.rate)
        jobs = make_load(companies, rate=options.rate, start=start)
        if options.stopped_standby:
            self._stop_a_standby(stage, route)
        time.sleep(max(0.0, (start - database_now(stage.session)).total_seconds()))
        faults = self._rounds(stage, mode)
        if options.stopped_standby:
            # It must not lead when it goes on either; later, when all are told to stop, it well might.
            stage.children.send(STOPPED_STANDBY, signal.SIGCONT)
            stage.wait(
                "the stopped standby to be back", _READY_WITHIN, lambda: STOPPED_STANDBY in stage.standing()
            )
            stage.children.stop([STOPPED_STANDBY], within=10.0)
        late = sum(relay.late() for relay in relays)
        return self._judge(stage, jobs, start, faults, late)

    def _mode(self, stage: Stage, route: str) -> tuple[Mode, list[Relay]]:
        """Start the schedulers, each behind a relay where the mode needs that."""
        names = [f"scheduler-{number}" for number in range(1, self.options.replicas + 1)]
        relays: dict[str, Relay] = {}
        for number, name in enumerate(names, start=1):
            if self.options.mode in SILENT:
                relays[name] = Relay(stage.children, f"relay-{number}", server=route)
            self._start(stage, name, relays[name].conninfo if relays else route)
        modes: dict[str, Callable[[], Mode]] = {
            "kill": lambda: Killed(stage, set(names), lambda name: self._start(stage, name, route)),
            "terminate": lambda: Terminated(stage.session, set(names)),
            "pause": lambda: Paused(stage, relays),
            "partition": lambda: Partitioned(stage.session, relays),
        }
        return modes[self.options.mode](), list(relays.values())

    @staticmethod
    def _start(stage: Stage, name: str, route: str) -> None:
        # One that is stopped when this process dies would not hear SIGTERM.
        stage.start_scheduler(name, environment={"LEADER_DATABASE_URL": route}, orphaned=signal.SIGKILL)

    def _stop_a_standby(self, stage: Stage, route: str) -> None:
        self._start(stage, STOPPED_STANDBY, route)
        stage.wait("another standby", _READY_WITHIN, lambda: STOPPED_STANDBY in stage.standing())
        stage.children.pause(STOPPED_STANDBY)

    def _rounds(self, stage: Stage, mode: Mode) -> list[Fault]:
        faults: list[Fault] = []
        within = silence_bound_ms(Timings.from_settings()) / 1000 * 3
        self._show(_LINE.format("round", "leader", "epoch", "next leader", "epoch", "takeover"))
        for number in range(1, self.options.rounds + 1):
            leader = self._settled(stage, mode)
            # Not always at the same point of the load's second and of the polls.
            time.sleep(random.uniform(0.2, 0.5))  # noqa: S311 - chance, no secret
            faults.append(fault := mode.strike(leader, number))
            successor = wait_for_successor(stage.session, fault.epoch, within=within)
            mode.heal()
            if successor is None:
                self._show(_LINE.format(number, leader.name, leader.epoch, "nobody", "-", "-"))
                return faults
            taken = f"{milliseconds(successor.started_at - fault.at):.1f} ms"
            self._show(
                _LINE.format(number, leader.name, leader.epoch, successor.replica, successor.epoch, taken)
            )
        self._settled(stage, mode)
        return faults

    @staticmethod
    def _settled(stage: Stage, mode: Mode) -> Leader:
        """Who leads, once all replicas stand: those that were hurt have come back."""
        found: list[Leader] = []

        def settled() -> bool:
            leader = find_leader(stage.session, stage.children)
            if leader is None or not mode.replicas <= stage.standing():
                return False
            found.append(leader)
            return True

        stage.wait("a leader and its standbys", _READY_WITHIN, settled)
        return found[-1]

    def _judge(
        self, stage: Stage, jobs: list[WatchedJob], start: datetime, faults: list[Fault], late: int
    ) -> Verdict:
        self._show("Stopping: schedulers, then workers, then the rest ...")
        stopped_at = stage.shut_down()
        silent = self.options.mode in SILENT
        return judge_drill(
            stage.history(jobs=jobs, started_at=start, stopped_at=stopped_at, faults=faults),
            mode=self.options.mode,
            rounds=self.options.rounds,
            late=late,
            bound_ms=silence_bound_ms(Timings.from_settings()) if silent else None,
            stopped_standby=STOPPED_STANDBY if self.options.stopped_standby else None,
        )


_LINE = "{:>5}  {:<18} {:>7}  {:<18} {:>7}  {:>12}"


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGINT leave by way of the `finally`s, once: what cleans up is not disturbed again."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def leave(signum: int, frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
