"""Nothing of the corpus reaches a listener that owns every address of this machine, by production's settings.

Three looks at each URL: what a job may be saved with, what the client opens (every connect of the process is heard
through an audit hook, also those that would leave the machine), and what a worker process does with a job that got past
saving all the same.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from apps.executions.models import ExecutionLog, ExecutionOutput
from apps.executions.targets.builtin import http_request
from apps.executions.targets.context import EndpointContent, ExecutionContext, Resources
from apps.executions.targets.headers import HeaderError, check_headers
from apps.executions.targets.http import HttpClient, HttpError, RequestRefusedError
from apps.jobs.specs import JobRefused
from apps.tenants.context import tenant_scope
from tests.factories import make_job
from tests.workers import execution, put, workers

pytestmark = pytest.mark.same_on_every_postgres

HERE = Path(__file__).parent / "unit"
SECONDS = 10


def lines(name: str) -> list[str]:
    text = (HERE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


HOSTS = lines("ssrf_hosts.txt")
BY_NAME = {
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ⓛocalhost",
}  # a name passes by its form and fails by its address
LONG = [
    "http://127.0.0.1:{port}/" + "a" * 2048,
    "http://" + "a." * 200 + "example:{port}/",
    "http://" + "1" * 5000,
]
CONTROLS = [
    "http://127.0.0.1:{port}/\r\nX: y",
    "\thttp://127.0.0.1:{port}/",
    "http://127.0.0.1\n:{port}/",
    "\x00",
]


def corpus(port: int) -> list[str]:
    urls = [f"{scheme}://{host}:{port}/" for scheme in ("http", "https") for host in HOSTS]
    return urls + [line.replace("{port}", str(port)) for line in [*lines("ssrf_urls.txt"), *LONG, *CONTROLS]]


class Sentinel:
    """Listens on every address of the machine, of both families, at one port, and answers as a web server would."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        first = socket.create_server(("0.0.0.0", 0))
        self.port: int = first.getsockname()[1]
        self._listening = [first]
        if socket.has_ipv6:
            self._listening.append(
                socket.create_server(("::", self.port), family=socket.AF_INET6, dualstack_ipv6=False)
            )
        for each in self._listening:
            threading.Thread(target=self._serve, args=(each,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                visitor, address = listening.accept()
            except OSError:
                return
            self.visits.append(str(address))
            with suppress(OSError), visitor:
                visitor.recv(65536)
                visitor.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        for each in self._listening:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    watch = Sentinel()
    try:
        yield watch
    finally:
        watch.close()


@pytest.fixture
def production(settings: Any, sentinel: Sentinel) -> Any:
    """No network is allowed beyond the rule; the sentinel's port is, so that a refusal is the address's."""
    settings.EGRESS_ALLOWED_NETWORKS = []
    settings.EGRESS_REFUSED_NETWORKS = []
    settings.EGRESS_ALLOWED_PORTS = [80, 443, 8080, 8443, sentinel.port]
    return settings


_heard: list[Any] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _heard is not None and event in ("socket.connect", "socket.sendto"):
        _heard.append(arguments[1])


sys.addaudithook(
    _hear
)  # for the life of the process: there is no taking it back, so it can be told to be deaf


@contextmanager
def connects() -> Iterator[list[Any]]:
    """Where this process connects to while the block runs."""
    global _heard
    _heard = []
    try:
        yield _heard
    finally:
        _heard = None


def test_the_watch_notices_a_connection(production: Any, sentinel: Sentinel) -> None:
    production.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8", "::1/128"]

    async def scenario() -> None:
        async with HttpClient() as client:
            for host in ("127.0.0.1", "127.8.8.8", "[::1]"):
                answer = await client.request("GET", f"http://{host}:{sentinel.port}/", timeout=SECONDS)
                assert answer.status == 204

    with connects() as heard:
        asyncio.run(scenario())
    assert len(sentinel.visits) == 3
    assert [address[0] for address in heard] == ["127.0.0.1", "127.8.8.8", "::1"]


def test_the_client_opens_nothing(production: Any, sentinel: Sentinel) -> None:
    async def scenario() -> None:
        async with HttpClient() as client:
            for url in corpus(sentinel.port):
                with pytest.raises(RequestRefusedError):
                    await client.request("GET", url, timeout=SECONDS)
                    pytest.fail(f"went out: {url}")

    with connects() as heard:
        asyncio.run(scenario())
    # Looking up `localhost` may ask a name server; that is not a connection to what was asked for.
    assert [address for address in heard if address[1] != 53] == []
    assert sentinel.visits == []


def test_no_job_is_saved_with_them(production: Any, sentinel: Sentinel, db: None, acme: Any) -> None:
    saved, fields = [], set()
    for url in corpus(sentinel.port):
        for target in ("http_request", "http_check"):
            try:
                make_job(acme, target=target, payload={"url": url})
                saved.append(url)
            except JobRefused as refused:
                fields |= set(refused.errors)
    names = {f"{scheme}://{name}:{sentinel.port}/" for scheme in ("http", "https") for name in BY_NAME}
    assert fields == {"payload.url"}
    assert set(saved) == names, "what is saved is a name, whose address is looked at when it runs"


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nHost: 169.254.169.254"},
        {"X": "a\nb"},
        {"X\r\nY": "a"},
        {"X": "a\x00b"},
        {"Host": "169.254.169.254"},
        {"host": "x"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Length": "5"},
        {"Webhook-Signature": "v1,forged"},
        {"Scheduler-Epoch": "1"},
        {"Proxy-Authorization": "x"},
        {"": "x"},
        {"X": "☃"},
        {f"X-{n}": "y" for n in range(51)},
        {"X": "y" * 9000},
    ],
    ids=lambda headers: ascii(next(iter(headers)))[:30],
)
def test_no_header_starts_another_request(
    production: Any, sentinel: Sentinel, db: None, acme: Any, headers: dict[str, str]
) -> None:
    with pytest.raises(HeaderError):
        check_headers(headers)
    with pytest.raises(JobRefused) as refused:
        make_job(acme, target="http_request", payload={"url": "https://example.com/", "headers": headers})
    assert all(field.startswith("payload.headers") for field in refused.value.errors)
    production.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8"]  # only the header is in the way now

    async def scenario() -> None:
        async with HttpClient() as client:
            with pytest.raises(RequestRefusedError):
                await client.request(
                    "GET", f"http://127.0.0.1:{sentinel.port}/", timeout=SECONDS, headers=headers
                )

    asyncio.run(scenario())
    assert sentinel.visits == []


# -- names -------------------------------------------------------------------------------------------------------------


class Names:
    """A name server that gives its answers in turn, the last one for ever, and counts who asks."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[tuple[socket.AddressFamily, str]]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in answer]


def ask(names: Names, port: int, times: int = 1) -> list[str]:
    """What became of requests to a name, each on a connection of its own."""

    async def scenario() -> list[str]:
        ends = []
        async with HttpClient(lookup=names) as client:
            for _ in range(times):
                try:
                    answer = await client.request("GET", f"http://tenant.example:{port}/", timeout=3)
                    ends.append(str(answer.status))
                except (HttpError, TimeoutError) as error:
                    ends.append(type(error).__name__)
                client._session.connector.clear_dns_cache()  # type: ignore[union-attr] - as its expiry does
        return ends

    return asyncio.run(scenario())


INSIDE = [
    *("127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254"),
    *("168.63.129.16", "100.100.100.200", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fec0::1"),
    *("fc00::1", "ff02::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_points_inside_is_refused(production: Any, sentinel: Sentinel, address: str) -> None:
    names = Names([address])
    with connects() as heard:
        assert ask(names, sentinel.port) == ["RequestRefusedError"]
    assert (names.asked, heard, sentinel.visits) == (1, [], [])


def test_a_rebinding_name_is_resolved_once_and_pinned(production: Any, sentinel: Sentinel) -> None:
    """Public for the check, inside for the connection: there is no second question to give another answer to."""
    production.EGRESS_ALLOWED_NETWORKS = [
        "127.0.0.2/32"
    ]  # stands for the public address, which nothing here may call
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    with connects() as heard:
        ends = ask(names, sentinel.port, times=2)
    assert ends == ["204", "RequestRefusedError"]
    assert [address[0] for address in heard] == ["127.0.0.2"]
    assert names.asked == 2


@pytest.mark.parametrize("order", [1, -1])
def test_of_many_addresses_only_the_permitted_is_called(
    production: Any, sentinel: Sentinel, order: int
) -> None:
    production.EGRESS_ALLOWED_NETWORKS = ["127.0.0.2/32"]
    answers = ["127.0.0.1", "::1", "10.0.0.1", "127.0.0.2", "169.254.169.254"][::order]
    with connects() as heard:
        assert ask(Names(answers), sentinel.port) == ["204"]
    assert [address[0] for address in heard] == ["127.0.0.2"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(production: Any, sentinel: Sentinel, status: int) -> None:
    production.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8"]  # only not following keeps the sentinel quiet

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(
            f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{sentinel.port}/\r\n"
            f"Refresh: 0; url=http://127.0.0.1:{sentinel.port}/\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(redirecting, "127.0.0.1", 0) as server, HttpClient() as client:
            port = server.sockets[0].getsockname()[1]
            answer = await client.request("POST", f"http://127.0.0.1:{port}/", timeout=SECONDS, body=b"x")
            assert answer.status == status

    asyncio.run(scenario())
    assert sentinel.visits == []


# -- the worker --------------------------------------------------------------------------------------------------------


def test_a_worker_sends_nothing_even_for_what_was_never_to_be_saved(
    live_db: str, acme: Any, sentinel: Sentinel, tmp_path: Path
) -> None:
    """Put into the vault past every check, as by an older release, and run by a process with production's settings."""
    urls = [url for url in corpus(sentinel.port) if "\x00" not in url]
    proxy = f"http://127.0.0.1:{sentinel.port}"
    with psycopg.connect(live_db, autocommit=True, options="-c scheduler.all_tenants=on") as session:
        for url in urls:
            for target in ("http_request", "http_check"):
                put(session, acme, execution(acme, target=target), params={"url": url, "method": "GET"})
    with workers(live_db, tmp_path) as start:
        environment = {
            "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.prod",
            "SECRET_KEY": "x" * 60,
            "VAULT_KEYS": "development-only-not-a-secret",
            "EGRESS_ALLOWED_NETWORKS": "",
            "EGRESS_ALLOWED_PORTS": f"80,443,8080,8443,{sentinel.port}",
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), proxy),
            "no_proxy": "",
            "NETRC": os.devnull,
        }
        worker = start("w", "--drain", **environment)
        assert worker.wait(120) == 0, worker.said()
    with tenant_scope(acme):
        logs = ExecutionLog.objects.filter(tenant=acme)
        assert logs.count() == 2 * len(urls)
        ends = set(logs.values_list("status", "attempts", "error_message"))
        outputs = ExecutionOutput.objects.filter(tenant=acme).count()
    assert ends == {
        ("failed", 1, "the task does not accept these parameters"),
        ("failed", 1, "the address may not be called from here"),
    }
    assert outputs >= len(urls)
    assert sentinel.visits == []


def test_an_endpoint_that_points_inside_is_refused_by_the_worker(production: Any, sentinel: Sentinel) -> None:
    """The operator sets endpoints, but the guard does not take their word for it."""
    moment = datetime.now(UTC)
    context = ExecutionContext(42, "acme", 1, "nightly", 1, 1, moment, moment, SECONDS)

    async def scenario() -> None:
        async with HttpClient() as client:
            resources = Resources(client, EndpointContent(f"http://127.0.0.1:{sentinel.port}/", []))
            with pytest.raises(RequestRefusedError):
                await http_request({"method": "POST", "headers": {}}, context, resources)

    asyncio.run(scenario())
    assert sentinel.visits == []
