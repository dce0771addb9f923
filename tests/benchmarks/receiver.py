"""A receiver of deliveries on loopback, in a process of its own and as light as can be: it shares our cores.

Says `listening <port>`. POST is answered with 200, except below /hang: those requests are held. GET /counts tells
how many were answered, how many of those carried a signature, and how many are held.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
answered = signed = held = 0


class Receiver(asyncio.Protocol):
    """One connection, kept alive."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class
        self.buffer, self.holds = b"", False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < total:
                return
            self.buffer = self.buffer[total:]
            self.answer(head)

    def answer(self, head: bytes) -> None:
        global answered, signed, held
        if head.startswith(b"GET /counts"):
            body = json.dumps({"answered": answered, "signed": signed, "held": held}).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif head.startswith(b"POST /hang"):
            held += 1
            self.holds = True
        else:
            answered += 1
            signed += b"webhook-signature: v1," in head.lower()
            self.transport.write(_OK)

    def connection_lost(self, error: Exception | None) -> None:
        global held
        held -= self.holds


async def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=4096)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
