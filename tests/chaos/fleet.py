"""Two schedulers and two workers as an operator runs them: whatever dies is started again, under a new name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

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
    """`deaths` are the processes that ended although nobody killed them: name and return code. `mark` is in the
    environment of each of them and of what they start."""

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
        env = {
            **os.environ,
            **QUICK,
            "DATABASE_URL": member.database_url or self.database_url,
            MARK: self.mark,
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
        }
        with self.log.open("ab") as output:
            member.process = subprocess.Popen(
                [
                    *member.prefix,
                    sys.executable,
                    "manage.py",
                    member.command,
                    NAME_OPTION[member.command],
                    member.name,
                ],
                cwd=member.root,
                env=env,
                stdout=output,
                stderr=output,
            )

    def note_deaths(self) -> None:
        """Start again what ended by itself, and remember it."""
        for member in self.members:
            if member.process is not None and not member.killed and not member.alive:
                self.deaths.append(f"{member.name}: {member.process.returncode}")
                self.start(member)

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
            if member.killed:
                self.start(member)

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

    def orphans(self) -> list[str]:
        """What these processes started and left behind."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
        return found
