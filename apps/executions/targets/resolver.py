"""Name resolution whose answers are checked before anything connects to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from aiohttp.abc import AbstractResolver, ResolveResult

from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError

Lookup = Callable[[str, int, socket.AddressFamily], list[tuple[socket.AddressFamily, str]]]
DNS_THREADS = 16  # in each lane
PROMPT_SECONDS = 1.0
MAX_PROMPT = 10_000  # names remembered


def system_lookup(
    host: str, port: int, family: socket.AddressFamily
) -> list[tuple[socket.AddressFamily, str]]:
    """The system's answer: (family, numeric address) pairs. Raises OSError."""
    answers = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    return [(found, str(address[0])) for found, _type, _proto, _name, address in answers]


class CheckedResolver(AbstractResolver):
    """Resolves in threads of its own, so that a tenant's slow name server holds up no other part of the worker.

    Nor other names: a lookup cannot be ended, and a thread in one that hangs is lost for as long. Names that were
    answered promptly the last time have a lane of their own, which those that never answer cannot fill.
    """

    def __init__(self, policy: AddressPolicy, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._prompt: dict[str, bool] = {}
        self._known = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns")
        self._unknown = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns-unknown")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The permitted addresses of the host. Raises EgressRefusedError when there are none among its answers."""
        # Earned anew each time: a name that begins to hang takes one thread of that lane, and no second one.
        threads = self._known if self._prompt.pop(host, False) else self._unknown
        answers = await asyncio.get_running_loop().run_in_executor(threads, self._look_up, host, port, family)
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

    def _look_up(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[tuple[socket.AddressFamily, str]]:
        started = monotonic()
        answers = self._lookup(host, port, family)
        if monotonic() - started < PROMPT_SECONDS and len(self._prompt) < MAX_PROMPT:
            self._prompt[host] = True
        return answers

    async def close(self) -> None:
        for threads in (self._known, self._unknown):
            threads.shutdown(wait=False, cancel_futures=True)
