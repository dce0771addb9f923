"""Where jobs post to, and what came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Delivery = tuple[str, int, str]  # webhook-id, execution, scheduled-for


class Server(ThreadingHTTPServer):
    request_queue_size = 512  # a burst after an outage comes all at once


@contextmanager
def receiver() -> Iterator[tuple[str, list[Delivery]]]:
    got: list[Delivery] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = self.headers
            got.append(
                (
                    headers["webhook-id"],
                    int(headers["scheduler-execution-id"]),
                    headers["scheduler-scheduled-for"],
                )
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
