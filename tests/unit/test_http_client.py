"""The client and the built-in tasks against real servers on loopback: slow, huge, lying, moving, gone."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.executions.targets import webhooks
from apps.executions.targets.builtin import retry_after
from apps.executions.targets.context import EndpointContent, ExecutionContext, Resources, TargetResult
from apps.executions.targets.http import (
    HttpClient,
    RequestFailedError,
    RequestRefusedError,
    ResponseTooLargeError,
)
from apps.executions.targets.processes import ProcessRunner
from apps.executions.targets.resolver import DNS_THREADS, CheckedResolver
from apps.executions.targets.runner import run_target
from apps.executions.targets.ssrf import AddressPolicy
from tests.unit.targets import loaded

pytestmark = pytest.mark.same_on_every_postgres

LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"),))
MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CONTEXT = ExecutionContext(42, "acme", 1, "nightly", 2, 9, MOMENT, MOMENT, 5.0)
SECRETS = [webhooks.generate_secret(), webhooks.generate_secret()]
LOCAL = (socket.AF_INET, "127.0.0.1")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@dataclass
class Site:
    """A real server that keeps what it was sent."""

    url: str = ""
    requests: list[tuple[web.Request, bytes]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)


@asynccontextmanager
async def site(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    made = Site()

    async def record(request: web.Request) -> web.StreamResponse:
        made.requests.append((request, await request.read()))
        made.peers.add(request.transport and request.transport.get_extra_info("peername"))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        made.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/in"
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_site(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """For answers that no server would give."""
    tasks: set[asyncio.Task[Any] | None] = set()

    async def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(on_connect, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()


async def ok(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def run(
    name: str,
    params: dict[str, Any],
    url: str = "",
    tls: ssl.SSLContext | None = None,
    within: float = 5.0,
    clock: Callable[[], float] = time.time,
) -> TargetResult:
    """The built-in task as a worker calls it, with `url` as the tenant's endpoint."""
    endpoint = EndpointContent(url, SECRETS) if url else None
    async with HttpClient(LOOPBACK, tls=tls) as client:
        resources = Resources(client, endpoint, {"partner": [SECRETS[1]]}, clock)
        return loaded(
            await run_target(name, params, CONTEXT, resources, ProcessRunner(max_workers=1), within)
        )


# --- what is sent


def test_the_signature_is_by_the_clock_that_the_worker_gives() -> None:
    async def scenario() -> None:
        async with site(ok) as receiver:
            await run("http_request", {}, receiver.url, clock=lambda: 1_900_000_000.9)
            ((request, body),) = receiver.requests
        assert request.headers["webhook-timestamp"] == "1900000000"
        webhooks.verify(SECRETS, request.headers, body, now=1_900_000_000)

    asyncio.run(scenario())


def test_the_endpoint_gets_a_signed_request_that_says_which_attempt_it_is() -> None:
    async def scenario() -> None:
        async with site(ok) as receiver:
            result = await run(
                "http_request", {"json": {"command": "true"}, "headers": {"X-Mine": "1"}}, receiver.url
            )
            assert result.ok
            assert result.result["status"] == 200
            assert json.loads(result.result["body"]) == {"ok": True}
            ((request, body),) = receiver.requests
        assert (request.method, body) == ("POST", b'{"command":"true"}')
        for secret in SECRETS:
            webhooks.verify([secret], request.headers, body)
        sent = request.headers
        assert (sent["webhook-id"], sent["scheduler-attempt"], sent["scheduler-epoch"]) == (
            CONTEXT.message_id,
            "2",
            "9",
        )
        assert (sent["Content-Type"], sent["X-Mine"]) == ("application/json", "1")
        assert sent.getall("Accept-Encoding") == ["identity"]

    asyncio.run(scenario())


def test_other_places_get_no_signature_unless_a_secret_is_named() -> None:
    async def scenario() -> None:
        async with site(ok) as receiver:
            other = receiver.url + "/other"
            await run("http_request", {"url": other}, receiver.url)
            await run("http_request", {"url": other, "secret": "partner", "body": "x"}, receiver.url)
            missing = await run("http_request", {"url": other, "secret": "nobody"}, receiver.url)
            nowhere = await run("http_request", {})
            (plain, default_body), (signed, body) = receiver.requests
        assert "webhook-signature" not in plain.headers
        assert json.loads(default_body)["execution_id"] == "42"
        webhooks.verify([SECRETS[1]], signed.headers, body)
        with pytest.raises(webhooks.SignatureError):
            webhooks.verify([SECRETS[0]], signed.headers, body)
        assert missing.permanent
        assert nowhere.permanent

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nInjected: 1"},
        {"X": "a\nInjected: 1"},
        {"X": "a\0b"},
        {"X\r\nInjected": "1"},
        {"X Y": "1"},
        {"": "1"},
        {"X": "größe"},
        {"Host": "elsewhere"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Webhook-Id": "mine"},
        {"Scheduler-Epoch": "1"},
        {f"X-{n}": "v" for n in range(51)},
        {"X": "v" * 9000},
    ],
)
def test_headers_that_would_break_out_or_pretend_are_not_sent(headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with site(ok) as receiver, HttpClient(LOOPBACK) as client:
            with pytest.raises(RequestRefusedError):
                await client.request("POST", receiver.url, timeout=5, headers=headers)
            assert receiver.requests == []

    asyncio.run(scenario())


def test_no_cookie_is_kept_between_tenants() -> None:
    async def scenario() -> None:
        async def set_cookie(request: web.Request) -> web.Response:
            response = web.Response()
            response.set_cookie("who", "acme")
            return response

        # Under a name: for a bare address a cookie jar would keep nothing anyway.
        async with site(set_cookie) as receiver, HttpClient(LOOPBACK, lookup=lambda *_: [LOCAL]) as client:
            for _ in range(2):
                await client.request("GET", receiver.url.replace("127.0.0.1", "receiver.example"), timeout=5)
            assert len(receiver.peers) == 1, "the connection is reused"
            assert not any("Cookie" in request.headers for request, _ in receiver.requests)

    asyncio.run(scenario())


# --- what comes back


def test_a_server_that_trickles_meets_the_deadline() -> None:
    async def trickle_headers(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def trickle_body(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        await trickle_headers(writer)

    async def silence(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        for answer in (trickle_headers, trickle_body, silence):
            async with raw_site(answer) as url, HttpClient(LOOPBACK) as client:
                started = time.monotonic()
                with pytest.raises(TimeoutError):
                    await client.request("GET", url, timeout=0.3)
                assert time.monotonic() - started < 2
            async with raw_site(answer) as url:
                result = await run("http_request", {"url": url}, within=0.3)
                assert result.error == "timed out after 0.3 s"

    asyncio.run(scenario())


def test_a_body_is_kept_to_64_kib_and_read_to_1_mib() -> None:
    async def scenario() -> None:
        async def large(request: web.Request) -> web.Response:
            return web.Response(body=b"x" * 1024 * 1024)

        async with site(large) as receiver, HttpClient(LOOPBACK) as client:
            answer = await client.request("GET", receiver.url, timeout=5)
        assert (len(answer.body), answer.truncated) == (64 * 1024, True)

        sent = 0

        async def endless(writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536

        async with raw_site(endless) as url, HttpClient(LOOPBACK) as client:
            with pytest.raises(ResponseTooLargeError):
                await client.request("GET", url, timeout=30)
        assert sent < 32 * 1024 * 1024, "reading stopped, so the server could not go on"

    asyncio.run(scenario())


def test_a_compressed_bomb_stays_compressed() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9)

    async def scenario() -> None:
        async def explode(request: web.Request) -> web.Response:
            return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

        async with site(explode) as receiver, HttpClient(LOOPBACK) as client:
            answer = await client.request("GET", receiver.url, timeout=5)
        assert answer.body == bomb[: 64 * 1024]

    asyncio.run(scenario())


def test_a_body_that_says_it_is_a_gigabyte_is_left_at_1_mib() -> None:
    async def scenario() -> None:
        sent = 0

        async def gigabyte(writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(16 * 1024):
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536

        async with raw_site(gigabyte) as url, HttpClient(LOOPBACK) as client:
            with pytest.raises(ResponseTooLargeError):
                await client.request("GET", url, timeout=30)
        assert sent < 32 * 1024 * 1024, "what the sockets hold, and no more"

    asyncio.run(scenario())


def test_names_that_hang_hold_up_no_name_that_answers() -> None:
    """Twice as many as there are threads, and one that used to answer among them."""
    gate = threading.Event()
    hanging = {f"hang-{n}.example" for n in range(2 * DNS_THREADS)}
    turned: set[str] = set()

    def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
        if host in hanging | turned:
            gate.wait(30)
        return [LOCAL]

    async def scenario() -> None:
        resolver = CheckedResolver(LOOPBACK, lookup)
        for name in ("good.example", "turns.example"):
            await resolver.resolve(name, 80)
        turned.add("turns.example")
        stuck = [asyncio.create_task(resolver.resolve(name, 80)) for name in hanging]
        stuck += [asyncio.create_task(resolver.resolve("turns.example", 80)) for _ in range(DNS_THREADS)]
        try:
            for _ in range(5):
                started = time.monotonic()
                assert await asyncio.wait_for(resolver.resolve("good.example", 80), 5)
                assert time.monotonic() - started < 1
            assert not any(task.done() for task in stuck)
        finally:
            gate.set()
            await asyncio.gather(*stuck)
            await resolver.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
    ],
)
def test_answers_that_are_not_http_fail_in_our_words(answer: bytes) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async def scenario() -> None:
        async with raw_site(send) as url, HttpClient(LOOPBACK) as client:
            with pytest.raises(RequestFailedError) as failure:
                await client.request("POST", url, timeout=5)
            assert "127.0.0.1" not in str(failure.value)

    asyncio.run(scenario())


def test_a_closed_port_is_no_connection() -> None:
    async def scenario() -> None:
        async with raw_site(lambda _: asyncio.sleep(0)) as url:
            pass
        result = await run("http_request", {"url": url})
        assert (result.status, result.error, result.permanent) == (
            "failed",
            "no connection to the server",
            False,
        )

    asyncio.run(scenario())


# --- what it means


@pytest.mark.parametrize(
    ("status", "headers", "expected", "passes", "permanent", "delay"),
    [
        (200, {}, None, True, False, None),
        (204, {}, None, True, False, None),
        (404, {}, [404], True, False, None),
        (200, {}, [404], False, False, None),
        (301, {"Location": "/elsewhere"}, None, False, False, None),
        (302, {"Location": "http://169.254.169.254/"}, None, False, False, None),
        (410, {}, None, False, True, None),
        (429, {"Retry-After": "17"}, None, False, False, 17.0),
        (503, {"Retry-After": "soon"}, None, False, False, None),
        (500, {}, None, False, False, None),
    ],
)
def test_statuses(
    status: int,
    headers: dict[str, str],
    expected: list[int] | None,
    passes: bool,
    permanent: bool,
    delay: float | None,
) -> None:
    async def scenario() -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, headers=headers)

        async with site(answer) as receiver:
            params = {"expected_status": expected} if expected else {}
            result = await run("http_request", params, receiver.url)
            assert len(receiver.requests) == 1, "no redirect is followed, nothing is repeated"
        assert (result.ok, result.permanent, result.retry_after) == (passes, permanent, delay)
        assert result.gone is (status == 410)
        assert result.result["status"] == status
        assert passes or str(status) in result.error

    asyncio.run(scenario())


def test_retry_after_is_seconds_or_a_date_within_a_day() -> None:
    def read(value: str) -> float | None:
        return retry_after({"retry-after": value}, MOMENT)

    assert [read("0"), read(" 120 "), read("9" * 5000)] == [0.0, 120.0, 86_400.0]
    assert read(format_datetime(MOMENT + timedelta(seconds=90), usegmt=True)) == 90.0
    assert read(format_datetime(MOMENT - timedelta(days=9), usegmt=True)) == 0.0
    assert [read(""), read("-5"), read("1.5"), read("never"), read("٣")] == [None] * 5
    assert retry_after({}, MOMENT) is None


def test_a_date_to_come_back_at_is_reached_by_the_servers_own_clock() -> None:
    def read(date: datetime | None) -> float | None:
        headers = {"retry-after": format_datetime(MOMENT + timedelta(seconds=90), usegmt=True)}
        if date is not None:
            headers["date"] = format_datetime(date, usegmt=True)
        return retry_after(headers, MOMENT)

    assert [read(None), read(MOMENT)] == [90.0, 90.0]
    assert read(MOMENT - timedelta(seconds=30)) == 120.0, "its clock is late: by ours it would be too soon"
    assert read(MOMENT + timedelta(seconds=60)) == 30.0


# --- http_check and TLS


def certificate(folder: Path, days: int) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of so many days, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "site.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def test_http_check_reports_status_latency_and_days_left(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, 20)

    async def scenario() -> None:
        async with site(ok, server) as receiver:
            fine = await run("http_check", {"url": receiver.url, "min_tls_days": 20}, tls=client)
            short = await run("http_check", {"url": receiver.url, "min_tls_days": 21}, tls=client)
            untrusted = await run("http_check", {"url": receiver.url})
            assert len(receiver.requests) == 2
        assert fine.ok
        assert (fine.result["status"], fine.result["tls_days_left"]) == (200, 20)
        assert 0 < fine.result["latency_ms"] < 5000
        assert (short.status, short.result["tls_days_left"]) == ("failed", 20)
        assert (untrusted.status, untrusted.error) == ("failed", "no connection to the server")
        assert "certificate" in untrusted.detail

    asyncio.run(scenario())


def test_an_expired_certificate_is_not_trusted(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, -1)

    async def scenario() -> None:
        async with site(ok, server) as receiver:
            expired = await run("http_check", {"url": receiver.url}, tls=client)
            assert receiver.requests == []
        assert not expired.ok
        assert "expired" in expired.detail

    asyncio.run(scenario())


def test_http_check_without_tls_has_no_days() -> None:
    async def scenario() -> None:
        async with site(ok) as receiver:
            result = await run("http_check", {"url": receiver.url, "method": "HEAD"})
        assert result.ok
        assert result.result["tls_days_left"] is None

    asyncio.run(scenario())
