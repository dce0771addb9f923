"""Plain functions for test_process_runner: a module of its own, as processes import it by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from apps.executions.targets.context import ExecutionContext, TargetFailed, TargetResult


def pid(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    return {"pid": os.getpid(), "tenant": context.tenant, "scheduled_for": context.scheduled_for, **params}


def hang(params: dict[str, Any], context: ExecutionContext) -> None:
    """Ignores what can be ignored, starts a process of its own, tells both pids and never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    written = Path(params["file"] + ".part")
    written.write_text(f"{os.getpid()} {child.pid}")
    written.rename(params["file"])
    while True:
        time.sleep(600)


def daemonize(params: dict[str, Any], context: ExecutionContext) -> None:
    """Leaves a daemon behind, which tells its pid; returns, or goes on as long as that."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            written = Path(params["file"] + ".part")
            written.write_text(str(os.getpid()))
            written.rename(params["file"])
            time.sleep(600)
        os._exit(0)
    os.wait()
    while not params["returns"] or not Path(params["file"]).exists():
        time.sleep(0.01)


def spin(params: dict[str, Any], context: ExecutionContext) -> None:
    """Never lets go of the interpreter: a regular expression that backtracks for ever."""
    import re

    written = Path(params["file"] + ".part")
    written.write_text(str(os.getpid()))
    written.rename(params["file"])
    re.match(r"(a+)+$", "a" * 100 + "b")


def fail(params: dict[str, Any], context: ExecutionContext) -> None:
    raise ValueError(f"cannot use {params['word']}")


def fail_in_words(params: dict[str, Any], context: ExecutionContext) -> None:
    raise TargetFailed("no quota left", retry_after=30)


def leave(params: dict[str, Any], context: ExecutionContext) -> None:
    sys.exit(3)


def die(params: dict[str, Any], context: ExecutionContext) -> None:
    os._exit(1)


def own_result(params: dict[str, Any], context: ExecutionContext) -> TargetResult:
    return TargetResult("failed", {"a": {1, 2}}, "half done", permanent=True)
