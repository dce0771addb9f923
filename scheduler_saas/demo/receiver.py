"""The tenants' side of the demo: a web server of its own process that verifies signatures and keeps its own record.

`python -m scheduler_saas.demo.receiver` reads one JSON line from stdin: `fd` (a listening socket), `record` (a file)
and `secrets` (tenant: whsec_…). A request to /<tenant> is verified with that tenant's secret by the Standard Webhooks
library, which shares no code with the sender, and noted before it is answered. Knows nothing of Django or the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import sys
from pathlib import Path
from time import time
from typing import Any, TextIO

import uvloop
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    def __init__(self, *, secrets: dict[str, str], record: TextIO) -> None:
        self._verifiers = {tenant: Webhook(secret) for tenant, secret in secrets.items()}
        self._record = record

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        tenant = request.path.strip("/")
        verifier = self._verifiers.get(tenant)
        if verifier is None:
            return web.Response(status=404)
        body = await request.read()
        headers = request.headers
        try:
            verifier.verify(body, dict(headers), json_parse=False)
            genuine = True
        except (WebhookVerificationError, ValueError):
            genuine = False
        noted = {
            "tenant": tenant,
            "webhook": headers.get("webhook-id", ""),
            "execution": int(headers.get("scheduler-execution-id", "0")),
            "job": _job(body),
            "scheduled_for": headers.get("scheduler-scheduled-for", ""),
            "attempt": int(headers.get("scheduler-attempt", "0")),
            "epoch": int(headers.get("scheduler-epoch", "0")),
            "received": time(),
            "ok": genuine,
        }
        self._record.write(json.dumps(noted, separators=(",", ":")) + "\n")
        return web.Response(status=200 if genuine else 401)


def _job(body: bytes) -> str:
    """The job's id where the body has it, else a name made of the body, which says all that tells such jobs apart."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict) and content.get("job_id"):
        return str(content["job_id"])
    return hashlib.sha256(body).hexdigest()[:16]


async def serve(receiver: Receiver, listening: socket.socket) -> None:
    """Until SIGTERM or SIGINT. The server is the bare one: no routes, no access log, little to do for each request."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = web.Server(receiver.handle)
    site = await loop.create_server(server, sock=listening)
    await stopping.wait()
    site.close()
    await server.shutdown(5.0)


def main() -> None:
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    # Line by line: what was answered is in the file, however this process ends.
    with Path(asked["record"]).open("a", buffering=1, encoding="utf-8") as record:
        receiver = Receiver(secrets=asked["secrets"], record=record)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(receiver, socket.socket(fileno=asked["fd"])))


if __name__ == "__main__":
    main()
