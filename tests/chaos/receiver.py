"""The tenants' endpoints: what each was sent, by whom it says it is, and whether the signature is a stranger's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.chaos.history import Delivery


class Receiver(ThreadingHTTPServer):
    """`/<tenant>` verifies with that tenant's secret, by a library that shares no code with the sender. The answer
    says which attempt it was."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secrets: dict[str, str] = {}
        self.deliveries: list[Delivery] = []

    def url_of(self, tenant: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{tenant}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that dies in mid-request is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        tenant = self.path.strip("/")
        try:
            Webhook(self.server.secrets[tenant]).verify(body, headers, json_parse=False)
            genuine = True
        except (WebhookVerificationError, KeyError):
            genuine = False
        delivery = Delivery(
            tenant,
            int(headers.get("scheduler-execution-id", "0")),
            int(headers.get("scheduler-attempt", "0")),
            headers.get("webhook-id", ""),
            genuine,
            f"{headers} {body.decode(errors='replace')}",
        )
        self.server.deliveries.append(delivery)
        answer = json.dumps({"attempt": delivery.attempt}).encode()
        self.send_response(200 if genuine else 401)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
