"""Tasks that only tests register. `TASK_MODULES` names this module in the settings of the test suite."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from apps.executions.targets.context import ExecutionContext, Resources, TargetFailed
from apps.executions.targets.registry import task


@task("tests.noop")
async def noop(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
    """Nothing."""


@task("tests.echo")
async def echo(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> dict[str, Any]:
    """What it was given, and where."""
    endpoint = resources.endpoint
    return {"params": params, "tenant": context.tenant, "endpoint": endpoint.url if endpoint else None}


@task("tests.wait")
async def wait(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> str:
    """Sleeps `seconds` without blocking."""
    await asyncio.sleep(params["seconds"])
    return "waited"


@task("tests.block")
async def block(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> str:
    """Blocks the worker's event loop for `seconds`, as no task should."""
    time.sleep(params["seconds"])  # noqa: ASYNC251 - that is the point
    return "blocked"


@task("tests.stubborn")
async def stubborn(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> str:
    """Swallows its first cancellation and goes on for `seconds`."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(params["seconds"])
    return "stayed"


@task("tests.raise")
async def fail(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
    """Raises, with a customer's words in the error."""
    raise ValueError(params.get("words", "confidential words"))


@task("tests.fail_until")
async def fail_until(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> int:
    """Fails until its `attempt`-th attempt."""
    if context.attempt < params["attempt"]:
        raise TargetFailed("not yet", retry_after=params.get("retry_after"))
    return context.attempt


@task("tests.by_attempt")
async def by_attempt(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> int:
    """Writes down that it was called, then does what `does` has for this attempt: hang, fail or end."""
    _write_down(params["file"], context)
    match params["does"][context.attempt - 1]:
        case "hang":
            await asyncio.sleep(3600)
        case "fail":
            raise TargetFailed("not yet")
    return context.attempt


@task("tests.give_up")
async def give_up(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
    """Fails for good."""
    raise TargetFailed("gone", permanent=True)


@task("tests.kill_worker")
async def kill_worker(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
    """Takes its worker down with it, once what was claimed beside it runs as well."""
    await asyncio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


@task("tests.plain")
def plain(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    """A plain function, in a process of its own."""
    return {"attempt": context.attempt}


@task("tests.plain_hang")
def plain_hang(params: dict[str, Any], context: ExecutionContext) -> None:
    """Never ends, and has a child that never ends."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    while True:
        time.sleep(60)


@task("tests.record")
async def record(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> int:
    """Writes down that it was called, then takes `seconds`. Says which attempt it was."""
    _write_down(params["file"], context)
    await asyncio.sleep(params["seconds"])
    return context.attempt


@task("tests.record_plain")
def record_plain(params: dict[str, Any], context: ExecutionContext) -> int:
    """The same in a process of its own."""
    _write_down(params["file"], context)
    time.sleep(params["seconds"])
    return context.attempt


@task("tests.keep")
async def keep(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> dict[str, Any]:
    """As `tests.record`, with words of the tenant's in its result, and in the error with which a `fails` one begins."""
    _write_down(params["file"], context)
    await asyncio.sleep(params["seconds"])
    if params.get("fails") and context.attempt == 1:
        raise ValueError(params["words"])
    return {"attempt": context.attempt, "words": params["words"]}


@task("tests.keep_plain")
def keep_plain(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    """The same in a process of its own."""
    _write_down(params["file"], context)
    time.sleep(params["seconds"])
    return {"attempt": context.attempt, "words": params["words"]}


def _write_down(file: str, context: ExecutionContext) -> None:
    line = {
        "execution_id": context.execution_id,
        "attempt": context.attempt,
        "job_id": context.job_id,
        "scheduled_for": context.scheduled_for.isoformat(),
        "pid": os.getpid(),
    }
    # One write at the end of the file: whole or not at all, whoever else writes or is killed.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


@task("tests.span")
async def span(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
    """Writes down when it ran, for `seconds`, on the clock that all processes of this machine share."""
    began = time.monotonic()
    await asyncio.sleep(params["seconds"])
    line = {"tenant": context.tenant, "job": context.job_id, "began": began, "ended": time.monotonic()}
    with open(params["file"], "a") as record:  # noqa: ASYNC230 - a line is written in one go
        record.write(json.dumps(line) + "\n")
