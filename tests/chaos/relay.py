"""A TCP relay between the fleet and its server that reads along, so that an answer can get lost after a commit.

An armed `Cut` waits for a message of its kind, forwards it, keeps the answer back until the server is done, and, if
that committed what was meant, cuts both connections: the work is done and its client sees an error.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_SSL, _GSS = 80877103, 80877104
Connect = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass(frozen=True, slots=True)
class Work:
    """A commit worth losing the answer to: of a session whose name begins and ends so, by a message with `last` in it,
    after one with `before` in the same transaction; its answer has at least so many rows."""

    begins: str
    ends: str
    before: str
    last: str
    rows: int = 0

    def is_done_by(self, session: str, said: list[str]) -> bool:
        return (
            session.startswith(self.begins)
            and session.endswith(self.ends)
            and self.last in said[-1]
            and any(self.before in sql for sql in said)
        )


#: A claim is one message whose first two answers are the lock and the statement; what follows are the rows.
WORKS = {
    "dispatch": Work("scheduler leader", "", "INSERT INTO executions_execution ", "COMMIT"),
    "claim": Work("scheduler worker", " claims", "EXECUTE claim ", "EXECUTE claim ", rows=3),
    "flush": Work("scheduler worker", " writes", "INSERT INTO executions_executionlog ", "", rows=1),
}


@dataclass(eq=False, slots=True)
class Cut:
    """`struck` is the name of the session that lost its answer."""

    work: Work
    struck: str = ""


@dataclass(eq=False, slots=True)
class _Session:
    name: str = ""
    prepared: dict[bytes, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)  # in the transaction under way, the last message last
    cut: Cut | None = None


class Relay:
    """`port` on loopback leads to whatever `connect` opens. It runs in a thread of its own until `close`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._armed: list[Cut] = []
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def arm(self, work: str) -> Cut:
        cut = Cut(WORKS[work])
        self._armed.append(cut)
        return cut

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_server: asyncio.StreamWriter | None = None
        try:
            startup = await _startup(client, to_client)
            server, to_server = await self._connect()
            to_server.write(startup)
            session = _Session(_name_in(startup))
            ways = (self._up(session, client, to_server), self._down(session, server, to_client))
            both = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in both:
                    way.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except (OSError, EOFError):
            pass
        finally:
            for writer in (to_client, to_server):
                if writer is not None:
                    writer.transport.abort()
            self._tasks.discard(task)

    async def _up(
        self, session: _Session, client: asyncio.StreamReader, to_server: asyncio.StreamWriter
    ) -> None:
        sent: list[str] = []
        while True:
            kind, body = await _message(client)
            if kind == b"P":
                name, sql, _ = body.split(b"\0", 2)
                session.prepared[name] = sql.decode(errors="replace")
            elif kind == b"B":
                _, name, _ = body.split(b"\0", 2)
                sent.append(session.prepared.get(name, ""))
            elif kind == b"Q":
                sent.append(body.decode(errors="replace"))
            if kind in b"QS" and sent:
                session.said.append(" ".join(sent))
                sent.clear()
                if session.cut is None:
                    session.cut = next(
                        (cut for cut in self._armed if cut.work.is_done_by(session.name, session.said)), None
                    )
            to_server.write(_framed(kind, body))
            await to_server.drain()

    async def _down(
        self, session: _Session, server: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        held: list[tuple[bytes, bytes]] = []
        while True:
            kind, body = await _message(server)
            held.append((kind, body))
            if kind == b"Z":
                if (cut := session.cut) is not None and cut in self._armed and _did(cut.work, held, body):
                    self._armed.remove(cut)
                    cut.struck = session.name
                    return
                session.cut = None
                if body == b"I":
                    session.said.clear()
            if session.cut is None:
                to_client.write(b"".join(_framed(*message) for message in held))
                held.clear()
                await to_client.drain()


def _did(work: Work, answer: list[tuple[bytes, bytes]], state: bytes) -> bool:
    kinds = [kind for kind, _ in answer]
    return state == b"I" and b"E" not in kinds and kinds.count(b"D") >= work.rows


def _framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


async def _message(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await stream.readexactly(5)
    return head[:1], await stream.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def _startup(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> bytes:
    """The client's first message that is not a question for encryption, which is answered with no."""
    while True:
        head = await client.readexactly(8)
        length, code = struct.unpack("!II", head)
        if code not in (_SSL, _GSS):
            return head + await client.readexactly(length - 8)
        to_client.write(b"N")


def _name_in(startup: bytes) -> str:
    words = startup[8:].split(b"\0")
    with suppress(ValueError):
        return words[words.index(b"application_name") + 1].decode(errors="replace")
    return ""
