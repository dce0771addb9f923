"""The other end of `processes`: what runs in a pool's process, and the guard that outlives a killed worker."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any


def prepare() -> None:
    """Django and every task, once. In the fork server this is paid before the first process is needed."""
    import django

    from apps.executions.targets import registry

    django.setup()
    registry.autodiscover()


def serve(pipe: Connection) -> None:
    """Run one request after another until the pipe closes: (path, params, context) pickled in, a result as JSON out."""
    # A session of its own: killing the group takes along whatever the function started, and ^C at a terminal or a
    # service manager's SIGTERM to everyone does not end work that the worker is still draining.
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: None)
    prepare()
    pipe.send_bytes(b"true")  # ready: what comes from now on is on the function's time
    while True:
        try:
            path, params, context = pickle.loads(pipe.recv_bytes())  # noqa: S301 - written by the worker itself
        except EOFError:
            return
        reply = _call(path, params, context)
        try:
            pipe.send_bytes(json.dumps(reply).encode())
        except OSError:
            return


def _call(path: str, params: dict[str, Any], context: Any) -> dict[str, Any]:
    from django.db import connections

    from apps.executions.targets import outcome

    module, _, name = path.partition(":")
    try:
        result = outcome.from_value(getattr(import_module(module), name)(params, context))
    except (Exception, SystemExit) as error:  # a task that calls sys.exit() failed; the process goes on
        result = outcome.from_error(error)
    # Every function starts without a transaction or a scope left over from the one before.
    with suppress(Exception):
        connections.close_all()
    return asdict(result)


def guard(pipe: Connection) -> None:
    """Kill the process groups it was told of when the worker is gone, however it went.

    A worker that is SIGKILLed runs no clean-up, and a function that never returns never reads its closed pipe.
    """
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: None)
    groups: set[int] = set()
    with suppress(EOFError, OSError):
        while True:
            pid = int(pipe.recv_bytes())
            groups.add(pid) if pid > 0 else groups.discard(-pid)
    for pid in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def preload() -> None:
    """In the fork server. A failure here is met again, and reported, in the first process."""
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        try:
            prepare()
        except Exception:
            logging.getLogger(__name__).exception("tasks could not be loaded")
