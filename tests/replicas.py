"""Replicas of the scheduler as processes of their own, with a step whose commits can be told apart.

`python -m tests.replicas NAME [BEHAVIOUR]` runs one; `ReplicaProcess` starts, signals and ends it. The step commits a
journal row in each cycle: `job_type` is the replica, `epoch` its term, `event_date` the database's clock at the write.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
FAST = {
    "ELECTION_POLL": "0.025",
    "LEADER_HEARTBEAT": "0.2",
    "LEADER_IDLE_TIMEOUT": "1.5",
    "LEADER_TRUST_WINDOW": "60",
    "LOG_LEVEL": "INFO",
}


def wait_for(condition: Callable[[], T], what: str, *, seconds: float = 20.0) -> T:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.005)


class ReplicaProcess:
    def __init__(
        self, name: str, *, database_url: str, log: Path, behaviour: str = "", **environment: str
    ) -> None:
        self.name = name
        self.log = log
        env = {
            **os.environ,
            **FAST,
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
            **environment,
        }
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.replicas", name, *([behaviour] if behaviour else [])],
                cwd=ROOT,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def kill(self, signum: int) -> None:
        self.process.send_signal(signum)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.send_signal(signal.SIGCONT)
        self.process.wait(10)

    def is_stopped(self) -> bool:
        state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")


@contextmanager
def replicas(database_url: str, directory: Path) -> Iterator[Callable[..., ReplicaProcess]]:
    """Starts replicas; ends those that are left."""
    started: list[ReplicaProcess] = []

    def start(name: str, **options: Any) -> ReplicaProcess:
        replica = ReplicaProcess(name, database_url=database_url, log=directory / f"{name}.log", **options)
        started.append(replica)
        return replica

    try:
        yield start
    finally:
        for replica in started:
            replica.end()


@contextmanager
def running_command(database_url: str, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py ARGUMENTS` on the test database; killed on the way out if it still runs."""
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def main(name: str, behaviour: str = "") -> None:
    """The process: BEHAVIOUR says where the step stops itself (SIGSTOP) for the test to look and to resume it."""
    import django

    django.setup()

    from apps.leadership.journal import event_insert
    from apps.leadership.loop import Replica
    from apps.leadership.session import LeaderSession
    from apps.leadership.steps import StepResult

    class Ticker:
        name = "ticker"
        every = 0.0
        stops = 1

        def run_once(self, session: LeaderSession) -> StepResult:
            if behaviour == "stop-while-reading" and self._stops_now():
                with session.connection.cursor() as cursor:
                    # More than the socket's buffers hold: the server waits for us to read, in a running statement.
                    for _ in cursor.stream("SELECT repeat('x', 1000) FROM generate_series(1, 100000)"):
                        os.kill(os.getpid(), signal.SIGSTOP)
                        break
            if behaviour == "long-statement" and self._stops_now():
                session.read("SELECT pg_sleep(60)")
            with session.transaction() as cursor:
                event_insert(
                    cursor, event_type="job_scheduled", epoch=session.epoch, job_type=name, event_data={}
                )
                if behaviour == "stop-in-transaction" and self._stops_now():
                    event_insert(
                        cursor, event_type="job_cancelled", epoch=session.epoch, job_type=name, event_data={}
                    )
                    os.kill(os.getpid(), signal.SIGSTOP)
                if behaviour == "stop-in-pipeline" and self._stops_now():
                    with cursor.connection.pipeline():
                        event_insert(cursor, event_type="job_cancelled", epoch=session.epoch, job_type=name)
                        # Without this pipeline's end the server waits for more of it: to its own mind it is not idle.
                        os.kill(os.getpid(), signal.SIGSTOP)
            return StepResult({"found": 1}, wake_in=0.005)

        def _stops_now(self) -> bool:
            self.stops -= 1
            return self.stops >= 0

    replica = Replica([Ticker()], name=name)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: replica.stop())
    replica.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
