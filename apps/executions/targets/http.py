"""The HTTP client of a worker: one session, addresses checked, every dimension of an answer bounded.

No redirects, cookies, proxies, netrc or decompression. An address is checked when its name is resolved and again when
the socket to it is made, so that literals, cached answers and whatever aiohttp comes to do in between are covered; a
pooled connection was checked when it was opened, and the policy of a client never changes. Idle connections are dropped
after a second, before the usual servers drop theirs: a POST that meets a closing connection is not sent twice.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import aiohttp
from aiohappyeyeballs import AddrInfoType
from multidict import CIMultiDict

from apps.executions.targets.headers import HeaderError, check_headers
from apps.executions.targets.resolver import CheckedResolver, Lookup, system_lookup
from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError

KEPT_BYTES = 64 * 1024
MAX_BYTES = 1024 * 1024
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 1.0


class HttpError(Exception):
    """No usable answer. The message is a sentence of ours, fit for any log; `detail` may hold the tenant's content."""

    permanent = False

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class RequestRefusedError(HttpError):
    """Never sent: the URL, the address behind it or a header is not allowed."""

    permanent = True


class RequestFailedError(HttpError):
    """No connection, a broken one, a certificate that is not trusted, or an answer that is not HTTP."""


class ResponseTooLargeError(HttpError):
    """The body went past 1 MiB and was not read further."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is the first 64 KiB as received, `headers` has the last of repeated fields under lower-case names.

    `certificate_expires_at` is that of the server's certificate (UTC), None without TLS.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    elapsed_ms: float
    certificate_expires_at: datetime | None


class _Response(aiohttp.ClientResponse):
    """Notes the server's certificate while the connection is at hand: it may be back in the pool a moment later."""

    certificate: dict[str, Any] | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        if connection.transport is not None:
            self.certificate = connection.transport.get_extra_info("peercert")
        return await super().start(connection)


class HttpClient:
    """An async context manager, to be made in the worker's loop. `lookup` and `tls` are for those who know better
    (tests: names that change their mind, a private authority)."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        *,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy or AddressPolicy.from_settings()
        self._lookup = lookup
        self._tls = tls or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpClient:
        self._resolver = CheckedResolver(self.policy, self._lookup)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._checked_socket,
            ssl=self._tls,
            limit=0,  # the worker bounds its concurrency; a tarpit must not use up a pool that others share
            keepalive_timeout=IDLE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            response_class=_Response,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            headers={"User-Agent": "scheduler-saas", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            await self._resolver.close()
            self._session = None

    def _checked_socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, proto, _name, address = info
        self.policy.check_address(str(address[0]), int(address[1]))
        return socket.socket(family=family, type=kind, proto=proto)

    async def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,  # noqa: ASYNC109 - one deadline over connection, headers and body
        headers: Mapping[str, str] | None = None,
        own_headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpResponse:
        """Send one request and read its answer, whatever its status, within `timeout` seconds all in all.

        `headers` are the tenant's, `own_headers` ours. Raises HttpError, or TimeoutError at the deadline.
        """
        if self._session is None:
            raise RuntimeError("use the client as a context manager")
        try:
            target = self.policy.check_url(url)
            fields = CIMultiDict(
                {**check_headers(headers or {}), **check_headers(own_headers or {}, own=True)}
            )
        except (EgressRefusedError, HeaderError) as error:
            raise RequestRefusedError("the request may not be sent as it is", str(error)) from None
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method, target, headers=fields, data=body, allow_redirects=False
                ) as response,
            ):
                return await self._read(response, started)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, EgressRefusedError):
                raise RequestRefusedError(
                    "the address may not be called from here", str(error.os_error)
                ) from None
            raise RequestFailedError("no connection to the server", str(error)) from error
        except (aiohttp.ServerTimeoutError, aiohttp.ConnectionTimeoutError) as error:
            raise RequestFailedError("no connection to the server in time", str(error)) from error
        except aiohttp.InvalidURL as error:
            raise RequestRefusedError("the request may not be sent as it is", str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise RequestFailedError(
                "the server's answer broke off or was not HTTP", f"{type(error).__name__}: {error}"
            ) from error

    async def _read(self, response: aiohttp.ClientResponse, started: float) -> HttpResponse:
        kept, size = bytearray(), 0
        async for chunk in response.content.iter_chunked(16 * 1024):
            size += len(chunk)
            if size > MAX_BYTES:
                response.close()
                raise ResponseTooLargeError(f"the answer is larger than {MAX_BYTES // 1024} KiB")
            kept += chunk[: max(0, KEPT_BYTES - len(kept))]
        return HttpResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=bytes(kept),
            truncated=size > len(kept),
            elapsed_ms=round((time.monotonic() - started) * 1000, 1),
            certificate_expires_at=_expiry(getattr(response, "certificate", None)),
        )


def _expiry(certificate: dict[str, Any] | None) -> datetime | None:
    with suppress(KeyError, ValueError, TypeError):
        return datetime.fromtimestamp(ssl.cert_time_to_seconds((certificate or {})["notAfter"]), UTC)
    return None
