"""Plain functions in processes that can be killed: one at a time in each, reused, recycled after a number of calls.

Our own pool rather than a library's, because of what happens on a timeout. The function and everything it started are
killed at once (SIGKILL to the process group); a function that ignores SIGTERM holds up nobody; a dead idle process
breaks nothing. Replies are JSON: nothing that a process says is unpickled here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import pickle
import signal
import socket
import struct
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from apps.executions.targets import process_child
from apps.executions.targets.context import ExecutionContext, TargetFailed, TargetResult
from apps.executions.targets.registry import TaskDefinition

logger = logging.getLogger(__name__)
MAX_REPLY = 4 * 1024 * 1024  # bytes; results are cut far below it on the other side
START_SECONDS = 60.0
JOIN_SECONDS = 5.0


class _Process:
    """One process and our end of its pipe, read and written without blocking the loop."""

    def __init__(
        self, process: ForkServerProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process, self.pid = process, process.pid or 0
        self._reader, self._writer = reader, writer
        self.calls = 0

    @property
    def usable(self) -> bool:
        """The pipe ends with the process and may be the first to tell; the forkserver's word comes a moment later."""
        ended = self._reader.at_eof() or self._writer.is_closing()
        return not ended and self.process.is_alive()

    async def call(self, request: bytes) -> Any:
        """Raises IncompleteReadError or ConnectionError when the process ended before it answered."""
        self.calls += 1
        self._writer.write(struct.pack("!i", len(request)) + request)  # multiprocessing's framing
        await self._writer.drain()
        return await self.answer()

    async def answer(self) -> Any:
        (size,) = struct.unpack("!i", await self._reader.readexactly(4))
        if not 0 <= size <= MAX_REPLY:
            raise ConnectionError("a reply out of bounds")
        return json.loads(await self._reader.readexactly(size))

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.kill()  # one that has not made its group yet
        self._writer.close()


class ProcessRunner:
    """At most `max_workers` processes, each started when first needed or by `start()` for all of them."""

    def __init__(self, *, max_workers: int = 2, max_tasks: int = 1000) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["apps.executions.targets.process_preload"])
        self._max_workers, self._max_tasks = max_workers, max_tasks
        self._slots = asyncio.Semaphore(max_workers)
        self._idle: list[_Process] = []
        self._live: dict[int, _Process] = {}
        self._reaping: set[asyncio.Task[None]] = set()
        self._guard: tuple[ForkServerProcess, Connection] | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Of the live processes, for tests and for status."""
        return sorted(self._live)

    async def start(self) -> None:
        """Start every process now, so that the first executions do not wait for them. Ended by `close`."""
        while len(self._live) < self._max_workers and not self._closed:
            await self._grow()

    async def run(
        self,
        definition: TaskDefinition,
        params: dict[str, Any],
        context: ExecutionContext,
        timeout: float,  # noqa: ASYNC109 - passing it kills, which no caller could do
    ) -> TargetResult:
        """Call the function; the time begins when a process is free for it. Raises TimeoutError after killing it.

        Cancelling kills it as well. Raises TargetFailed when the process ended without an answer.
        """
        request = pickle.dumps((definition.path, params, context))
        async with self._slots:
            process = await self._take()
            finished = False
            try:
                async with asyncio.timeout(timeout):
                    reply = await process.call(request)
                finished = True
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise TargetFailed("the task's process ended before the task did") from error
            finally:
                spent = process.calls >= self._max_tasks or len(self._live) > self._max_workers
                if finished and not spent and not self._closed:
                    self._idle.append(process)
                else:
                    self._discard(process)
        return TargetResult(**reply)

    async def close(self) -> None:
        """Kill every process, whatever it is doing, and wait until it is gone."""
        self._closed = True
        async with self._starting:
            for process in list(self._live.values()):
                self._discard(process)
        self._idle.clear()
        while self._reaping:
            await asyncio.gather(*self._reaping)
        if self._guard is not None:
            guard, pipe = self._guard
            self._guard = None
            pipe.close()
            await asyncio.to_thread(guard.join, JOIN_SECONDS)

    async def _take(self) -> _Process:
        while not self._closed:
            while self._idle:
                process = self._idle.pop()
                if process.usable:
                    return process
                self._discard(process)
            # Shielded: when a caller gives up half-way, the process ends up among the idle, not among the forgotten.
            await asyncio.shield(asyncio.ensure_future(self._grow()))
        raise TargetFailed("the worker is shutting down")

    async def _grow(self) -> None:
        async with self._starting:
            if self._closed:
                return
            if self._guard is None:
                self._guard = await asyncio.to_thread(self._launch, process_child.guard)
            launched, pipe = await asyncio.to_thread(self._launch, process_child.serve)
            ours = socket.socket(fileno=os.dup(pipe.fileno()))
            pipe.close()
            process = _Process(launched, *await asyncio.open_unix_connection(sock=ours))
            self._live[process.pid] = process
            self._tell_guard(process.pid)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await process.answer()
            except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
                self._discard(process)
                raise TargetFailed("no process could be started for the task") from error
            self._idle.append(process)

    def _launch(self, main: Any) -> tuple[ForkServerProcess, Connection]:
        ours, theirs = self._context.Pipe(duplex=True)
        process = self._context.Process(target=main, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def _tell_guard(self, pid: int) -> None:
        if self._guard is not None:
            try:
                self._guard[1].send_bytes(str(pid).encode())
            except OSError:
                logger.error(
                    "the guard of the task processes is gone; they end with the worker only if it is closed"
                )

    def _discard(self, process: _Process) -> None:
        if self._live.pop(process.pid, None) is None:
            return
        process.kill()
        reaping = asyncio.ensure_future(self._reap(process))
        self._reaping.add(reaping)
        reaping.add_done_callback(self._reaping.discard)

    async def _reap(self, process: _Process) -> None:
        await asyncio.to_thread(process.process.join, JOIN_SECONDS)
        self._tell_guard(-process.pid)
        if not process.process.is_alive():
            process.process.close()
