"""Name resolution whose answers are checked before anything connects to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError

Lookup = Callable[[str, int, socket.AddressFamily], list[tuple[socket.AddressFamily, str]]]
DNS_THREADS = 16


def system_lookup(
    host: str, port: int, family: socket.AddressFamily
) -> list[tuple[socket.AddressFamily, str]]:
    """The system's answer: (family, numeric address) pairs. Raises OSError."""
    answers = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    return [(found, str(address[0])) for found, _type, _proto, _name, address in answers]


class CheckedResolver(AbstractResolver):
    """Resolves in threads of its own, so that a tenant's slow name server holds up no other part of the worker."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The permitted addresses of the host. Raises EgressRefusedError when there are none among its answers."""
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._threads, self._lookup, host, port, family)
        permitted = [(found, address) for found, address in answers if self._policy.permits(address, port)]
        if not permitted:
            raise EgressRefusedError(f"{host} on port {port} is not a place that may be called from here")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=found,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, address in permitted
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
