"""A plain function that leaves every trace it can in its process, and one that looks for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

from django.db import connection

from apps.executions.targets.context import ExecutionContext
from apps.executions.targets.registry import task

CANARY = "canary-of-acme"
seen: list[str] = []
_dumps = json.dumps


@task("tests.leave_traces")
def leave_traces(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    """In a global, the environment, the directory, the modules, the standard library, a session, a thread, a child."""
    seen.append(CANARY)
    os.environ["TRACE"] = CANARY
    os.chdir("/")
    sys.modules[CANARY] = sys.modules[__name__]
    sys.path.append(CANARY)
    json.dumps = lambda *args, **kwargs: _dumps({"status": "ok", "result": CANARY})
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', 'acme', false), pg_backend_pid()")
        session = cursor.fetchone()[1]
    threading.Thread(target=time.sleep, args=(600,), name=CANARY).start()
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    _tell(params["file"], {"pid": os.getpid(), "child": child.pid, "session": session})
    while params["hangs"]:
        time.sleep(60)
    json.dumps = _dumps
    return traces()


@task("tests.look_for_traces")
def look_for_traces(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    return traces()


def traces() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), pg_backend_pid()")
        path, session = cursor.fetchone()
    return {
        "pid": os.getpid(),
        "session": session,
        "search_path": path,
        "cwd": os.getcwd(),
        "patched": json.dumps is not _dumps,
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "canaries": [
            where
            for where, holds in {
                "global": CANARY in seen,
                "environment": CANARY in os.environ.values(),
                "modules": CANARY in sys.modules,
                "path": CANARY in sys.path,
            }.items()
            if holds
        ],
    }


def _tell(file: str, what: dict[str, int]) -> None:
    with open(file + ".part", "w") as stream:
        stream.write(_dumps(what))
    os.rename(file + ".part", file)
