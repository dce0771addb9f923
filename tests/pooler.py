"""A connection pooler on loopback, for the refusal of one: it lends real server sessions by transaction or by client.

Server sessions are opened by psycopg, so any way of logging in works; the protocol is only watched for ReadyForQuery.
Like PgBouncer it hands out the session that was returned last, and ignores the parameters a client starts with.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import psycopg

_NO_ENCRYPTION_CODES = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_REPORTED = [
    "server_version",
    "client_encoding",
    "standard_conforming_strings",
    "integer_datetimes",
    "DateStyle",
    "TimeZone",
]


class Pooler:
    """`with Pooler(connect, mode="transaction") as port`; `connect` opens a server session without encryption."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], *, mode: str) -> None:
        self._connect = connect
        self._by_transaction = mode == "transaction"
        self._idle: list[psycopg.Connection[Any]] = []
        self._opened: list[psycopg.Connection[Any]] = []
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        self._start(self._accept)
        return int(self._listener.getsockname()[1])

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            client.close()
        for thread in self._threads:
            thread.join(5)
        for server in self._opened:
            server.close()

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(self._serve, client)

    def _take(self) -> psycopg.Connection[Any]:
        if self._idle:
            return self._idle.pop()
        server = self._connect()
        self._opened.append(server)
        return server

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # clients that leave without a word
            self._lend(client)

    def _lend(self, client: socket.socket) -> None:
        server = self._take()
        self._greet(client, server)
        if self._by_transaction:
            self._idle.append(server)
        while data := client.recv(65536):
            if data.startswith(b"X"):
                break
            if self._by_transaction:
                server = self._take()
            last = self._pump(client, server, data)
            if self._by_transaction:
                self._idle.append(server)  # before the client can ask again, as a pooler with one loop does
            client.sendall(last)
        client.close()

    def _greet(self, client: socket.socket, server: psycopg.Connection[Any]) -> None:
        while _read_start(client) in _NO_ENCRYPTION_CODES:
            client.sendall(b"N")
        answer = _message(b"R", struct.pack("!i", 0))
        for name in _REPORTED:
            value = server.info.parameter_status(name) or ""
            answer += _message(b"S", name.encode() + b"\0" + value.encode() + b"\0")
        client.sendall(answer + _message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))

    def _pump(self, client: socket.socket, server: psycopg.Connection[Any], data: bytes) -> bytes:
        """Both ways until the server is ready and outside a transaction; what is then left to send to the client."""
        with socket.socket(fileno=os.dup(server.fileno())) as upstream:
            upstream.setblocking(True)
            upstream.sendall(data)
            unread = b""
            while True:
                ready, _, _ = select.select([client, upstream], [], [])
                if client in ready:
                    upstream.sendall(client.recv(65536))
                if upstream not in ready:
                    continue
                chunk = upstream.recv(65536)
                unread += chunk
                idle = False
                while len(unread) >= 5 and len(unread) > (length := struct.unpack("!i", unread[1:5])[0]):
                    idle = unread[:1] == b"Z" and unread[5:6] == b"I"
                    unread = unread[length + 1 :]
                if idle and not unread:
                    return chunk
                client.sendall(chunk)


def _read_start(client: socket.socket) -> int:
    """The code that a message without a type begins with: a protocol version or a request for encryption."""
    (length,) = struct.unpack("!i", client.recv(4))
    (code,) = struct.unpack("!i", client.recv(length - 4)[:4])
    return int(code)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
