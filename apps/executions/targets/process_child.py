"""What runs in the process of one call, and in no other: the request is read here, the task called, its result told."""

from __future__ import annotations

import json
import os
import pickle
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

SIZE = struct.Struct("!I")


def prepare() -> None:
    """Django, every task, and what a call is the first to need: in the template, so that no child pays for it."""
    import django

    from apps.executions.targets import registry

    django.setup()
    registry.autodiscover()
    _call(f"{__name__}:_rehearse", {}, None)
    _disconnect()


def serve(call: socket.socket) -> None:
    """Read (path, params, context) from the socket, pickled, answer with a result as JSON, and end the process."""
    with suppress(OSError):  # whoever eats up the memory is killed for it, and not the worker
        Path("/proc/self/oom_score_adj").write_text("500")
    with call.makefile("rb") as stream:
        (size,) = SIZE.unpack(stream.read(SIZE.size))
        path, params, context = pickle.loads(stream.read(size))  # noqa: S301 - written by the worker itself
    reply = json.dumps(_call(path, params, context)).encode()
    with suppress(OSError):
        call.sendall(reply)
    _leave()


def _call(path: str, params: dict[str, Any], context: Any) -> dict[str, Any]:
    from apps.executions.targets import outcome

    module, _, name = path.partition(":")
    try:
        result = outcome.from_value(getattr(import_module(module), name)(params, context))
    except (Exception, SystemExit) as error:  # a task that calls sys.exit() failed, and says so
        result = outcome.from_error(error)
    return asdict(result)


def _rehearse(params: dict[str, Any], context: Any) -> dict[str, Any]:
    return params


def _disconnect() -> None:
    from django.db import connections

    with suppress(Exception):
        connections.close_all()


def _leave() -> None:
    """Politely to the server and to what was printed; anything else of the process just ends."""
    _disconnect()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)
