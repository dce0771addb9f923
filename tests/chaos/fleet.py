"""Two schedulers and two workers as an operator runs them: whatever dies is started again, under a new name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

from tests.chaos.clocks import Clock
from tests.replicas import ROOT

LEASE_SECONDS = 2.0
TRUST_SECONDS = 1.5
QUICK = {
    "ELECTION_POLL": "0.025",
    "LEADER_HEARTBEAT": "0.2",
    "LEADER_IDLE_TIMEOUT": "1.0",
    "LEADER_TRUST_WINDOW": str(TRUST_SECONDS),
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "LEASE_HEARTBEAT": "0.3",
    "WORKER_POLL": "0.2",
    "WORKER_DRAIN": "15",
    "LOG_LEVEL": "INFO",
}
STOP_SECONDS = 20.0
MARK = "CHAOS_FLEET"
NAME_OPTION = {"run_scheduler": "--replica", "run_worker": "--name"}


@dataclass(eq=False)
class Member:
    """One place of the fleet and the process that fills it now. `prefix` is the command that starts it elsewhere, from
    where the server has another address; `root` has the release that it runs."""

    place: str
    command: str
    generation: int = 0
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False
    killed: bool = False
    prefix: tuple[str, ...] = ()
    database_url: str = ""
    root: Path = ROOT
    end_by: float = 0.0  # monotonic
    clock: Clock | None = None

    @property
    def name(self) -> str:
        return f"{self.place}.{self.generation}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, signum: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signum)


@dataclass
class Fleet:
    """`deaths` are the processes that ended although nobody killed them, or badly when told to: name and return code.
    `told_to_stop` are the names of those that were told while they were to go on. `mark` is in the environment of each
    of them and of what they start."""

    database_url: str
    log: Path
    members: list[Member] = field(
        default_factory=lambda: [
            Member("scheduler-a", "run_scheduler"),
            Member("scheduler-b", "run_scheduler"),
            Member("worker-a", "run_worker"),
            Member("worker-b", "run_worker"),
        ]
    )
    deaths: list[str] = field(default_factory=list)
    told_to_stop: set[str] = field(default_factory=set)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def schedulers(self) -> list[Member]:
        return [member for member in self.members if member.command == "run_scheduler"]

    @property
    def workers(self) -> list[Member]:
        return [member for member in self.members if member.command == "run_worker"]

    def start(self, member: Member) -> None:
        member.generation += 1
        member.paused = member.killed = False
        arguments = ["manage.py", member.command, NAME_OPTION[member.command], member.name]
        environment = {
            "DATABASE_URL": member.database_url or self.database_url,
            **(member.clock.environment() if member.clock else {}),
        }
        member.process = self._run([*member.prefix, sys.executable, *arguments], member.root, environment)

    def help(self, *arguments: str) -> None:
        """A process that comes and goes: it ends by itself, or with the fleet."""
        command = [sys.executable, *arguments]
        self.helpers.append(self._run(command, ROOT, {"DATABASE_URL": self.database_url}))

    def _run(
        self, command: Sequence[str], root: Path, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        env = {
            **os.environ,
            **QUICK,
            MARK: self.mark,
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
            **self.environment,
            **environment,
        }
        with self.log.open("ab") as output:
            return subprocess.Popen(command, cwd=root, env=env, stdout=output, stderr=output)

    def note_deaths(self) -> None:
        """Start again what ended by itself, and remember it."""
        for member in self.members:
            if member.process is not None and not member.killed and not member.alive:
                self.deaths.append(f"{member.name}: {member.process.returncode}")
                self.start(member)

    def restart(self, member: Member) -> bool:
        """After a kill, or when what was told to stop has ended: False while it may still take its time."""
        if member.name in self.told_to_stop and member.process is not None:
            if member.alive and time.monotonic() < member.end_by:
                return False
            member.signal(signal.SIGKILL)
            if member.process.wait(10):
                self.deaths.append(f"{member.name}, told to stop: {member.process.returncode}")
        self.start(member)
        return True

    def tell_to_stop(self, member: Member) -> None:
        """SIGTERM. It counts as killed from now on, and has STOP_SECONDS to end well."""
        self.told_to_stop.add(member.name)
        member.killed = True
        member.end_by = time.monotonic() + STOP_SECONDS
        member.signal(signal.SIGTERM)

    def kill(self, member: Member) -> None:
        member.killed = True
        member.signal(signal.SIGKILL)

    def pause(self, member: Member) -> None:
        member.paused = True
        member.signal(signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        member.paused = False
        member.signal(signal.SIGCONT)

    def heal(self) -> None:
        """Everything runs again."""
        for member in self.members:
            if member.paused:
                self.resume(member)
            while member.killed and not self.restart(member):
                time.sleep(0.05)

    def stop(self, members: list[Member], *, seconds: float) -> list[str]:
        """SIGTERM, and what did not end well: in time and with success."""
        for member in members:
            member.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        wrong = []
        for member in members:
            assert member.process is not None
            member.killed = True
            try:
                code = member.process.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                wrong.append(f"{member.name} still runs {seconds:.0f} s after SIGTERM")
                continue
            if code:
                wrong.append(f"{member.name} ended with {code} after SIGTERM")
        return wrong

    def end(self) -> None:
        for member in self.members:
            self.kill(member)
            if member.process is not None:
                member.process.wait(10)
        for helper in self.helpers:
            helper.kill()
            helper.wait(10)

    def orphans(self) -> list[str]:
        """What these processes started and left behind."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
        return found
