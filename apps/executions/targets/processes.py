"""Plain functions in processes that can be killed: a new one for each call, so that no call sees another's traces.

Our own rather than a library's, because of what happens on a timeout (docs/adr/0012). The function and everything it
started are killed at once (SIGKILL), and the call is over when they are gone; a function that ignores SIGTERM holds up
nobody. Replies are JSON: nothing that a task's process says is unpickled here. `process_template` is the other end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from apps.executions.targets.context import ExecutionContext, JsonText, TargetFailed, TargetResult
from apps.executions.targets.process_child import SIZE
from apps.executions.targets.registry import TaskDefinition

logger = logging.getLogger(__name__)
MAX_REPLY = 4 * 1024 * 1024  # bytes; results are cut far below it on the other side
START_SECONDS = 60.0
END_SECONDS = 5.0
# As multiprocessing starts its processes: from any directory, with what can be imported here.
_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:];"
    "from apps.executions.targets.process_template import main; main(int(sys.argv[1]))"
)


class _Template:
    """The process that the others are forked from, and our end of its socket."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        self.control.setblocking(False)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), *sys.path],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # ^C at a terminal is the worker's
            )

    async def ready(self) -> bool:
        """False when it ended, or took a minute."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(START_SECONDS):
                return bool(await asyncio.get_running_loop().sock_recv(self.control, 1))
        return False

    async def end(self) -> None:
        """Let go of it and wait until it and all its keepers are gone."""
        self.control.close()
        try:
            await asyncio.to_thread(self.process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            logger.error("a task's process cannot be ended")
            self.process.kill()


class ProcessRunner:
    """At most `max_workers` calls at once. The template is started by `start` or by the first call."""

    def __init__(self, *, max_workers: int = 2) -> None:
        self._places = asyncio.Semaphore(max_workers)
        self._idle: list[socket.socket] = []  # our ends of the keepers'
        self._calls: set[socket.socket] = set()
        self._template: _Template | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the template, whose descendants are all that there is."""
        return None if self._template is None else self._template.process.pid

    async def start(self) -> None:
        """Load Django and the tasks now, so that the first call does not wait for it. Ended by `close`.

        Raises TargetFailed when that is not possible.
        """
        while not self._closed and (self._template is None or _ended(self._template.control)):
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
                self._starting.add_done_callback(self._started)
            await asyncio.shield(self._starting)  # when one caller gives up, the others still wait for it
        if self._closed:
            raise TargetFailed("the worker is shutting down")

    async def run(
        self,
        definition: TaskDefinition,
        params: dict[str, Any],
        context: ExecutionContext,
        timeout: float,  # noqa: ASYNC109 - passing it kills, which no caller could do
        called: Callable[[], None] = lambda: None,
    ) -> TargetResult:
        """Call the function; the time begins when there is a place for it. Raises TimeoutError after killing it.

        Cancelling kills it as well. Raises TargetFailed when the process ended without an answer. Whichever it is,
        everything that the call started is gone. `called` is told when there is a place, right before the function is.
        """
        request = pickle.dumps((definition.path, params, context))
        async with self._places:
            await self.start()
            keeper, call = self._hand_out()
            self._calls.add(call)
            try:
                called()
                async with asyncio.timeout(timeout):
                    reply = await _exchange(call, SIZE.pack(len(request)) + request)
            finally:
                clean = await _let_go(call)
                self._calls.discard(call)
                call.close()
                if clean and not self._closed:
                    self._idle.append(keeper)
                else:
                    keeper.close()
        if not reply:
            raise TargetFailed("the task's process ended before the task did")
        fields = json.loads(reply)
        if fields["result"] is not None:
            fields["result"] = JsonText(fields["result"])
        return TargetResult(**fields)

    async def close(self) -> None:
        """Kill every process, whatever it is doing, and wait until it is gone."""
        self._closed = True
        for call in self._calls:
            _shut(call)
        for keeper in self._idle:
            keeper.close()
        self._idle.clear()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._template is not None:
            await self._template.end()
            self._template = None

    def _hand_out(self) -> tuple[socket.socket, socket.socket]:
        """A keeper with a new call, and our end of that."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            while self._idle:
                keeper = self._idle.pop()
                if not _ended(keeper) and _give(keeper, theirs):
                    return keeper, ours
                keeper.close()
            keeper, its = socket.socketpair()
            keeper.setblocking(False)
            with its:
                # When either is refused, the sockets are closed here, and the call ends without an answer.
                _give(keeper, theirs) and self._template and _give(self._template.control, its)
            return keeper, ours

    async def _start(self) -> None:
        if self._template is not None:
            logger.warning("the template of the task processes is gone; another is started")
            await self._template.end()
            self._template = None
        template = _Template()
        try:
            if not await template.ready():
                raise TargetFailed("no process could be started for the task")
            self._template = template  # not before: no call's time runs while this loads
        finally:
            if self._template is not template:
                await template.end()

    def _started(self, starting: asyncio.Task[None]) -> None:
        self._starting = None
        if not starting.cancelled():
            starting.exception()  # every caller may have given up


async def _exchange(call: socket.socket, request: bytes) -> bytes:
    """What the other side says until it is gone, empty when that is nothing, or too much."""
    loop, reply = asyncio.get_running_loop(), bytearray()
    with suppress(ConnectionError):
        await loop.sock_sendall(call, request)
        while chunk := await loop.sock_recv(call, 64 * 1024):
            reply += chunk
            if len(reply) > MAX_REPLY:
                return b""
        return bytes(reply)
    return b""


async def _let_go(call: socket.socket) -> bool:
    """Whether everything of the call was gone within the time that killing takes."""
    _shut(call)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            with suppress(ConnectionError):  # what it was sent was never read
                while await asyncio.get_running_loop().sock_recv(call, 64 * 1024):
                    pass
            return True
    logger.error("a task's process cannot be ended; its place is given up")
    return False


def _shut(call: socket.socket) -> None:
    with suppress(OSError):
        call.shutdown(socket.SHUT_WR)


def _give(control: socket.socket, given: socket.socket) -> bool:
    try:
        socket.send_fds(control, [b"s"], [given.fileno()])
    except OSError:
        return False
    return True


def _ended(control: socket.socket) -> bool:
    """Whether the process at the other side of the socket is gone; it says nothing once it is ready."""
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
