"""Processes of a demo or drill, each in a group of its own: Ctrl-C reaches the parent, which decides the order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from django.conf import settings

_PR_SET_PDEATHSIG = 1


class ChildDied(RuntimeError):
    """A process ended that should not have; the message has the end of its log."""


class Children:
    """Starts processes with one environment and keeps what each writes in `logs`."""

    def __init__(self, *, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(environment)
        self._logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._orphans_end = _death_signal()

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        orphaned: signal.Signals = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        """`environment` is what differs for this one; `orphaned` is the signal that it gets when its parent dies."""
        with self.log_of(name).open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=settings.BASE_DIR,
                env={**self._environment, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=self._orphans_end and partial(self._orphans_end, orphaned),
            )
        self.running[name] = child
        assert child.stdin is not None  # noqa: S101 - asked for above
        with suppress(BrokenPipeError):
            child.stdin.write(stdin)
            child.stdin.close()
        return child

    def log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def name_of(self, pid: int) -> str | None:
        return next((name for name, child in self.running.items() if child.pid == pid), None)

    def send(self, name: str, number: signal.Signals) -> None:
        self.running[name].send_signal(number)

    def pause(self, name: str) -> None:
        """SIGSTOP; returns once it has stopped."""
        child = self.running[name]
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self, name: str) -> None:
        """SIGKILL, and no more is heard of it."""
        child = self.running.pop(name)
        child.kill()
        child.wait()

    def check(self) -> None:
        """Raises ChildDied."""
        for name, child in self.running.items():
            if child.poll() is not None:
                tail = self.log_of(name).read_text(errors="replace")[-1500:].strip()
                raise ChildDied(f"{name} ended with status {child.returncode}:\n{tail}")

    def stop(self, names: Sequence[str], *, within: float) -> list[str]:
        """SIGTERM to these, SIGKILL to what is left of their groups; the names of those later than `within` seconds."""
        stopping = {name: self.running.pop(name) for name in names if name in self.running}
        for child in stopping.values():
            child.terminate()
            child.send_signal(signal.SIGCONT)  # one that is stopped would not hear of it
        deadline = time.monotonic() + within
        late = []
        for name, child in stopping.items():
            try:
                child.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                late.append(name)
            # Also after a clean end: nothing of a group may be left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return late

    def named(self, prefix: str) -> list[str]:
        return [name for name in self.running if name.startswith(prefix)]


def _death_signal() -> Callable[[signal.Signals], None] | None:
    """On Linux, a child is told to end when its parent dies without stopping it. Loaded here, not after the fork."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask(number: signal.Signals) -> None:
        prctl(_PR_SET_PDEATHSIG, number)

    return ask
