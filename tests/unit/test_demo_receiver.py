"""The demo's receiver, in a process of its own: what it notes and how it answers."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.executions.targets.webhooks import generate_secret, sign
from scheduler_saas.demo.sockets import listen, port_of
from tests.replicas import ROOT, wait_for

pytestmark = pytest.mark.same_on_every_postgres

SECRET = generate_secret()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Any]:
    record = tmp_path / "deliveries.jsonl"
    listening = listen()
    listening.set_inheritable(True)
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler_saas.demo.receiver"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
    )
    assert process.stdin is not None
    asked = {"fd": listening.fileno(), "record": str(record), "secrets": {"acme": SECRET}}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.close()
    port = port_of(listening)

    def post(path: str, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    yield post, record
    listening.close()
    process.terminate()
    assert process.wait(20) == 0


def headers(body: bytes, secret: str = SECRET) -> dict[str, str]:
    sent = {
        "scheduler-execution-id": "41",
        "scheduler-epoch": "3",
        "scheduler-attempt": "1",
        "scheduler-scheduled-for": "2026-05-01T10:00:00+00:00",
    }
    return sent | sign([secret], "exec_41", int(time.time()), body)


def noted(record: Path, lines: int) -> list[dict[str, Any]]:
    wait_for(lambda: record.exists() and record.read_text().count("\n") >= lines, f"{lines} lines")
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_a_genuine_delivery_is_noted_under_its_job(receiver: Any) -> None:
    post, record = receiver
    body = b'{"job_id":"7","execution_id":"41"}'
    assert post("/acme", body, headers(body)) == 200
    [line] = noted(record, 1)
    assert line.pop("received") == pytest.approx(time.time(), abs=60)
    assert line == {
        "tenant": "acme",
        "webhook": "exec_41",
        "execution": 41,
        "job": "7",
        "scheduled_for": "2026-05-01T10:00:00+00:00",
        "attempt": 1,
        "epoch": 3,
        "ok": True,
    }


def test_a_forged_delivery_is_noted_as_such_and_refused(receiver: Any) -> None:
    post, record = receiver
    assert post("/acme", b"{}", headers(b"{}", generate_secret())) == 401
    assert post("/acme", b"{ }", headers(b"{}")) == 401
    assert [line["ok"] for line in noted(record, 2)] == [False, False]


def test_another_tenant_s_path_is_not_found(receiver: Any) -> None:
    post, record = receiver
    assert post("/bravo", b"{}", headers(b"{}")) == 404
    assert record.read_text() == ""


def test_bodies_without_a_job_id_tell_jobs_apart_by_what_they_say(receiver: Any) -> None:
    post, record = receiver
    for body in (b'{"command":"a"}', b'{"command":"b"}', b'{"command":"a"}'):
        assert post("/acme", body, headers(body)) == 200
    first, second, third = (line["job"] for line in noted(record, 3))
    assert first == third != second
