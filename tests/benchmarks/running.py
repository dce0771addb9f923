"""Processes of a figure, ours and peers': started with a log each, stopped at the end; and waiting for what they do."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scheduler_saas.demo.children import ChildDied, Children
from tests.benchmarks.bench import Session, scalar
from tests.benchmarks.server import HOME

_LAG = re.compile(r"^lag (\S+)$", re.MULTILINE)


class Processes(Children):
    """Also in languages other than Python: `start_command`."""

    def start_command(self, name: str, command: Sequence[str]) -> None:
        """Any command. It is replaced into by the interpreter that Children starts, so it dies with us all the same."""
        self.start(name, ["-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *command])

    def worker(self, name: str = "worker", *, concurrency: int | None = None) -> None:
        self.start(
            name, ["manage.py", "run_worker", *(["--concurrency", str(concurrency)] if concurrency else [])]
        )

    def scheduler(self) -> None:
        self.start("scheduler", ["manage.py", "run_scheduler"])

    def text(self, name: str) -> str:
        return self.log_of(name).read_text(errors="replace")

    def lags(self, name: str) -> list[float]:
        """Milliseconds that this process has printed so far."""
        return [float(value) for value in _LAG.findall(self.text(name))]

    def wait_for(
        self, condition: Callable[[], bool], what: str, *, within: float = 60.0, every: float = 0.01
    ) -> None:
        """Raises TimeoutError; ChildDied when a process has ended."""
        deadline = time.monotonic() + within
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {within:.0f} s: {what}")
            time.sleep(every)

    def wait_for_line(self, name: str, line: str, *, within: float = 60.0, ended: bool = False) -> str:
        """The rest of the first line that begins with `line`; `ended`: the process may end with it."""
        pattern = re.compile(rf"^{re.escape(line)}(.*)$", re.MULTILINE)
        found: list[str] = []

        def look() -> bool:
            match = pattern.search(self.text(name))
            if match:
                found.append(match[1].strip())
            return match is not None

        if ended:
            self.running.pop(name).wait(within)
            if not look():
                self._silent(name, line)
        else:
            self.wait_for(look, f"{name} says {line!r}", within=within)
        return found[0]

    def _silent(self, name: str, line: str) -> None:
        raise ChildDied(f"{name} ended without saying {line!r}:\n{self.text(name)[-1500:]}")


@contextmanager
def processes(
    *, database: str | None = None, logs_in: str = "ours", **environment: str
) -> Iterator[Processes]:
    """Their environment: ours as shipped, on `database` (Django's own by default); `environment` comes on top."""
    from apps.tenants.machine import database_url

    logs = HOME / "logs" / logs_in
    logs.mkdir(parents=True, exist_ok=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    root = Path(__file__).resolve().parent.parent.parent
    variables = {
        "DATABASE_URL": database or database_url(),
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.dev",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
        "TASK_MODULES": "tests.benchmarks.tasks",
        "PYTHONPATH": str(root),
        "PYTHONWARNINGS": "ignore",
        **environment,
    }
    children = Processes(environment=os.environ | variables, logs=logs)
    try:
        yield children
    finally:
        children.stop(list(children.running), within=10.0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_for_worker(children: Processes, own: Session) -> None:
    """Until the worker that was started listens. Its processes for plain functions may still be starting."""
    listens = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
        " AND application_name LIKE 'scheduler worker % claims')"
    )
    children.wait_for(lambda: bool(scalar(own, listens)), "a worker that listens")
    time.sleep(2.0)  # what it warms up meanwhile


def wait_for_leader(children: Processes, own: Session) -> None:
    leads = "SELECT EXISTS (SELECT FROM leadership_leaderterm WHERE ended_at IS NULL)"
    children.wait_for(lambda: bool(scalar(own, leads)), "a leader")


def module(name: str, *arguments: object) -> list[str]:
    """Arguments for `Processes.start`: a module of this package."""
    return ["-m", f"tests.benchmarks.{name}", *map(str, arguments)]
