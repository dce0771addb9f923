"""A cable that can be cut: between one replica and the server, in a process of its own.

`python -m scheduler_saas.drill.relay` reads one JSON line from stdin: `fd` (a listening socket), `control` (a socket to
its parent) and `server` (a path, or host and port). While frozen it carries nothing in either direction and closes
nothing: both ends live, and neither hears of the other. Bytes that were under way stay held and arrive when it thaws.

Words on the control socket: `freeze`; `hold commit`, to freeze with the next COMMIT in hand; `hold answer`, with the
answer to the first statement of the next transaction in hand; `thaw`; and `late`, answered by how many sessions'
clients went on, after the freeze or after the server had ended the session, with what they were doing. `frozen` is said
whenever it freezes. The moments are recognised in plain text: under TLS there is nothing to see, and who holds has to
freeze by time instead.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_CHUNK = 65536
_IN_TRANSACTION = b"Z\0\0\0\5T"  # ReadyForQuery
_TERMINATE = b"X"


@dataclass(slots=True)
class Link:
    """A session. `answers` counts those in a row that left it in a transaction: BEGIN's is the first."""

    client: socket.socket
    server: socket.socket
    server_ended: bool = False
    late: bool = False
    answers: int = 0


class Relay:
    def __init__(self, server: str | tuple[str, int], control: socket.socket) -> None:
        self._server = server
        self._control = control
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._holding = ""
        self._late = 0
        self._carrying: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> None:
        """Until the parent's end of the control socket is closed."""
        accepting = asyncio.create_task(self._accept(listening))
        loop = asyncio.get_running_loop()
        said = b""
        while data := await loop.sock_recv(self._control, _CHUNK):
            *words, said = (said + data).split(b"\n")
            for word in words:
                await self._hear(word.decode())
        accepting.cancel()

    async def _hear(self, word: str) -> None:
        if word == "freeze":
            await self._freeze()
        elif word.startswith("hold "):
            self._holding = word.removeprefix("hold ")
        elif word == "thaw":
            self._holding = ""
            self._flowing.set()
        elif word == "late":
            await self._say(f"late {self._late}")

    async def _freeze(self) -> None:
        self._holding = ""
        self._flowing.clear()
        await self._say("frozen")

    async def _say(self, word: str) -> None:
        await asyncio.get_running_loop().sock_sendall(self._control, f"{word}\n".encode())

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listening)
            task = asyncio.create_task(self._carry(client))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def _carry(self, client: socket.socket) -> None:
        at_once = not isinstance(self._server, str)
        with client, socket.socket(socket.AF_INET6 if _is_v6(self._server) else _family(at_once)) as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setblocking(False)
            if at_once:
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                await asyncio.get_running_loop().sock_connect(server, self._server)
                link = Link(client, server)
                await asyncio.gather(self._to_server(link), self._to_client(link))

    async def _to_server(self, link: Link) -> None:
        while data := await _read(link.client):
            if self._holding == "commit" and b"COMMIT" in data:
                await self._freeze()
            held = not self._flowing.is_set()
            await self._flowing.wait()
            if (held or link.server_ended) and not link.late and not data.startswith(_TERMINATE):
                link.late = True
                self._late += 1
            await _write(link.server, data)
        _finish(link.server)

    async def _to_client(self, link: Link) -> None:
        while data := await _read(link.server):
            link.answers = link.answers + 1 if data.endswith(_IN_TRANSACTION) else 0
            if self._holding == "answer" and link.answers == 2:
                await self._freeze()
            await self._flowing.wait()
            await _write(link.client, data)
        link.server_ended = True
        await self._flowing.wait()
        _finish(link.client)


async def _read(side: socket.socket) -> bytes:
    """b"" at its end, in good order or not."""
    try:
        return await asyncio.get_running_loop().sock_recv(side, _CHUNK)
    except OSError:
        return b""


async def _write(side: socket.socket, data: bytes) -> None:
    """Who has gone does not get it."""
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(side, data)


def _finish(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_WR)


def _family(internet: bool) -> socket.AddressFamily:
    return socket.AF_INET if internet else socket.AF_UNIX


def _is_v6(server: str | tuple[str, int]) -> bool:
    return not isinstance(server, str) and ":" in server[0]


def main() -> None:
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    listening, control = socket.socket(fileno=asked["fd"]), socket.socket(fileno=asked["control"])
    for mine in (listening, control):
        mine.setblocking(False)
    server = asked["server"] if isinstance(asked["server"], str) else tuple(asked["server"])
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(server, listening, control))


async def _main(server: Any, listening: socket.socket, control: socket.socket) -> None:
    await Relay(server, control).serve(listening)


if __name__ == "__main__":
    main()
