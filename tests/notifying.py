"""Where notifications arrive (a webhook's receiver and a mail server on loopback), and what makes them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db.models import F
from standardwebhooks import Webhook

from apps.jobs.models import Notice
from apps.operations.models import Delivery
from apps.operations.notifications import channels
from apps.operations.notifications.sending import NotificationChore
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.vault.models import NotificationChannel
from tests.receivers import Server
from tests.test_outcomes import at


@dataclass
class Inbox:
    """`answers` are the statuses of the next requests; 204 when there are no more."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """The bodies, each of which that secret has signed."""
        for headers, body in self.got:
            Webhook(secret).verify(body, headers)
        return [json.loads(body) for _, body in self.got]


@contextmanager
def webhook_inbox() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            inbox.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(inbox.answers.pop(0) if inbox.answers else 204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    inbox.url = f"http://127.0.0.1:{server.server_port}/hook?token=confidential"
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class MailServer:
    port: int = 0
    got: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuse: str = ""

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content
        assert isinstance(raw, bytes)
        self.got.append((list(envelope.rcpt_tos), message_from_bytes(raw, policy=default)))  # type: ignore[arg-type]
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    mails = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        mails.port = probe.getsockname()[1]  # the server wants to be told one
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port)
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


REASON = "it broke at the confidential place"


def webhook(tenant: Any, inbox: Inbox, **fields: Any) -> tuple[NotificationChannel, str]:
    given = {"name": "hook", "address": inbox.url, "events": Notice.Event.values, **fields}
    channel, secret = channels.channel_create(tenant=tenant, kind="webhook", fields=given, actor="tests")
    assert secret is not None
    return channel, secret


def by_mail(tenant: Any, **fields: Any) -> NotificationChannel:
    given = {"name": "mail", "address": "ops@acme.example", "events": Notice.Event.values, **fields}
    return channels.channel_create(tenant=tenant, kind="email", fields=given, actor="tests")[0]


def happened(tenant: Any, job_id: int, event: str = "failure", **columns: Any) -> Notice:
    with all_tenants_scope():
        return Notice.objects.create(
            tenant=tenant,
            event=event,
            at=at(0),
            job_id=job_id,
            **{
                "job_name": f"job {job_id}",
                "task_type": "report",
                "user_id": "u-1",
                "failures": 1,
                "reason": REASON,
                **columns,
            },
        )


def run() -> dict[str, int]:
    return NotificationChore(wait=0.0, apart=0.0).run_once()


def later(**times: float) -> None:
    """Let messages be due that wait for their next try or for the end of a lease."""
    with all_tenants_scope():
        Delivery.objects.update(due_at=F("due_at") - timedelta(days=1), **times)


def states() -> list[str]:
    with all_tenants_scope():
        return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def of(tenant: Any, channel: NotificationChannel) -> NotificationChannel:
    with tenant_scope(tenant):
        return NotificationChannel.objects.get(pk=channel.pk)
