"""Requests that must send nothing: a listener on loopback counts who knocks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from yarl import URL

from apps.executions.targets.http import HttpClient, HttpError, RequestRefusedError
from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError

pytestmark = pytest.mark.same_on_every_postgres

SECONDS = 5

HOSTS = Path(__file__).with_name("ssrf_hosts.txt").read_text(encoding="utf-8").splitlines()
REFUSED_HOSTS = [host for host in HOSTS if host and not host.startswith("#")]
REFUSED_HOSTS += ["", "exa mple.com", "a\\@b", "xn--\x00"]

REFUSED_URLS = [
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http:127.0.0.1:{port}",
    "http:///127.0.0.1:{port}/",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://user@example.com:{port}/",
    "http://user:pass@example.com:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://example.com#@127.0.0.1:{port}/ ",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://127.0.0.1:{port}/\r\nX: y",
    "http://127.0.0.1\t:{port}/",
    "\nhttp://127.0.0.1:{port}/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:-1/",
    "http://example.com:{port}/" + "a" * 2048,
    "",
]

PASSING = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "[2606:4700:4700::1111]",
    "[2a00:1450::1]",
]


class Sentinel:
    """Listens on 127.0.0.1 and, where there is one, [::1], at one port."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0

    async def on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readline()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def sentinel(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Sentinel]:
    watch = Sentinel()
    server = await asyncio.start_server(watch.on_connect, host, port)
    watch.port = server.sockets[0].getsockname()[1]
    servers = [server]
    if socket.has_ipv6 and host == "127.0.0.1":
        with suppress(OSError):  # a machine without IPv6 can send nothing to ::1 either
            servers.append(await asyncio.start_server(watch.on_connect, "::1", watch.port))
    try:
        yield watch
    finally:
        for each in servers:
            each.close()


def policy(*allowed: str, port: int) -> AddressPolicy:
    """Lets the sentinel's port pass, so that a refusal is the address's."""
    return AddressPolicy(tuple(map(ip_network, allowed)), allowed_ports=frozenset({80, 443, port}))


def test_no_url_of_the_corpus_sends_a_packet() -> None:
    async def scenario() -> None:
        async with sentinel() as watch:
            urls = [f"http://{host}:{watch.port}/" for host in REFUSED_HOSTS]
            urls += [f"https://{host}:{watch.port}/" for host in REFUSED_HOSTS]
            urls += [url.replace("{port}", str(watch.port)) for url in REFUSED_URLS]
            async with HttpClient(policy(port=watch.port)) as client:
                for url in urls:
                    with pytest.raises(RequestRefusedError):
                        await client.request("GET", url, timeout=SECONDS)
            assert watch.connections == 0

            async with HttpClient(policy("127.0.0.0/8", port=watch.port)) as client:
                answer = await client.request("GET", f"http://127.0.0.1:{watch.port}/", timeout=SECONDS)
            assert (answer.status, watch.connections) == (204, 1), "the sentinel does notice a connection"

    asyncio.run(scenario())


@pytest.mark.parametrize("host", PASSING)
def test_ordinary_addresses_pass(host: str) -> None:
    assert AddressPolicy().check_url(f"https://{host}/path?q=1").host == host.strip("[]")


def test_url_is_returned_as_it_will_be_requested() -> None:
    checked = AddressPolicy().check_url("https://bücher.example.:8443/a%20b?c=d#e")
    assert str(checked) == "https://xn--bcher-kva.example:8443/a%20b?c=d"


def test_ports_are_listed_and_free_only_within_the_operators_networks() -> None:
    plain, operator = AddressPolicy(), AddressPolicy((ip_network("10.1.0.0/16"),))
    assert plain.permits("8.8.8.8", 443)
    assert not plain.permits("8.8.8.8", 25)
    assert operator.permits("10.1.2.3", 25)
    assert not operator.permits("8.8.8.8", 25)
    assert not operator.permits("10.2.0.1", 443)
    with pytest.raises(EgressRefusedError, match="port 25"):
        plain.check_url("http://example.com:25/")


def test_allow_list_opens_neither_metadata_nor_a_way_round() -> None:
    wide = AddressPolicy((ip_network("0.0.0.0/0"), ip_network("::/0")))
    for address in ("169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"):
        assert not wide.permits(address, 80)
    translated = AddressPolicy((ip_network("64:ff9b::/96"),))
    assert translated.permits("64:ff9b::8.8.8.8", 80)
    assert not translated.permits("64:ff9b::10.0.0.1", 80)
    assert not AddressPolicy((ip_network("127.0.0.0/8"),)).permits("::ffff:127.0.0.1", 80)
    refused = AddressPolicy((ip_network("10.0.0.0/8"),), refused_networks=(ip_network("10.9.0.0/16"),))
    assert refused.permits("10.1.0.1", 80)
    assert not refused.permits("10.9.0.1", 80)


def test_policy_reads_the_settings(settings: pytest.FixtureRequest) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8", "fd00::/8"]  # type: ignore[attr-defined]
    settings.EGRESS_ALLOWED_PORTS = [8443]  # type: ignore[attr-defined]
    read = AddressPolicy.from_settings()
    assert read.permits("127.0.0.1", 9999)
    assert read.permits("8.8.8.8", 8443)
    assert not read.permits("8.8.8.8", 443)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::1", "127.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1", "10.0.0.7"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_name_that_points_inside_sends_nothing(answers: list[str]) -> None:
    def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in answers]

    async def scenario() -> None:
        async with sentinel() as watch, HttpClient(policy(port=watch.port), lookup=lookup) as client:
            with pytest.raises(RequestRefusedError) as refusal:
                await client.request("GET", f"http://inside.example:{watch.port}/", timeout=SECONDS)
            assert watch.connections == 0
            assert not any(address in f"{refusal.value}{refusal.value.detail}" for address in answers)

    asyncio.run(scenario())


def test_a_name_that_changes_its_mind_is_resolved_once_for_each_connection() -> None:
    """The first answer is allowed, every later one is the sentinel: what was checked is what is connected to."""
    asked: list[str] = []

    def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
        asked.append(host)
        return [(socket.AF_INET, "127.0.0.2" if len(asked) == 1 else "127.0.0.1")]

    async def scenario() -> None:
        async with sentinel() as watch, sentinel("127.0.0.2", watch.port) as allowed:
            async with HttpClient(policy("127.0.0.2/32", port=watch.port), lookup=lookup) as client:
                url = f"http://rebinding.example:{watch.port}/"
                assert (await client.request("GET", url, timeout=SECONDS)).status == 204
                assert len(asked) == 1
                connector = client._session.connector  # type: ignore[union-attr]
                connector.clear_dns_cache()  # type: ignore[union-attr] - as its expiry does
                with pytest.raises(RequestRefusedError):
                    await client.request("GET", url, timeout=SECONDS)
            assert (allowed.connections, watch.connections, len(asked)) == (1, 0, 2)

    asyncio.run(scenario())


def test_of_mixed_answers_only_the_permitted_is_used() -> None:
    def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2")]

    async def scenario() -> None:
        async with sentinel() as watch, sentinel("127.0.0.2", watch.port) as allowed:
            async with HttpClient(policy("127.0.0.2/32", port=watch.port), lookup=lookup) as client:
                await client.request("GET", f"http://mixed.example:{watch.port}/", timeout=SECONDS)
            assert (allowed.connections, watch.connections) == (1, 0)

    asyncio.run(scenario())


class CarelessPolicy(AddressPolicy):
    """Lets every URL pass unread."""

    def check_url(self, text: str) -> URL:
        return URL(text)


def test_the_socket_is_checked_even_where_the_url_was_not() -> None:
    async def scenario() -> None:
        async with (
            sentinel() as watch,
            HttpClient(CarelessPolicy(allowed_ports=frozenset({watch.port}))) as client,
        ):
            for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433"):
                with pytest.raises(HttpError):
                    await client.request("GET", f"http://{host}:{watch.port}/", timeout=SECONDS)
            assert watch.connections == 0

    asyncio.run(scenario())


def test_a_redirect_to_metadata_is_an_answer_not_a_journey() -> None:
    async def scenario() -> None:
        async with sentinel() as watch:

            async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readline()
                writer.write(
                    f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{watch.port}/latest/meta-data\r\n"
                    "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
                writer.close()

            async with await asyncio.start_server(redirecting, "127.0.0.2", 0) as server:
                port = server.sockets[0].getsockname()[1]
                # Both addresses are allowed here: only not following keeps the sentinel quiet.
                async with HttpClient(policy("127.0.0.0/8", port=watch.port)) as client:
                    answer = await client.request("GET", f"http://127.0.0.2:{port}/", timeout=SECONDS)
            assert (answer.status, watch.connections) == (302, 0)

    asyncio.run(scenario())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with sentinel() as watch, sentinel("127.0.0.2") as target:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{watch.port}")
            async with HttpClient(policy("127.0.0.0/8", port=watch.port)) as client:
                await client.request("GET", f"http://127.0.0.2:{target.port}/", timeout=SECONDS)
            assert (target.connections, watch.connections) == (1, 0)

    asyncio.run(scenario())
