"""What workers read of a tenant's vault, kept for a while: contents, which never change, and the endpoint and secrets,
which do.

Reading goes through Django's connection in one thread, the tenant's scope around each read. What is missing at the same
moment is read together, a tenant at a time, so a burst of a hundred first runs is a few queries.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, connection

from apps.executions.queue import Claimed
from apps.executions.vault_reading import FRESH_SECONDS, Key, Read, Surroundings
from apps.executions.vault_reading import read as read_vault

MAX_CONTENTS = 20_000
MAX_CONTENT_BYTES = 32 * 1024 * 1024


class ContentMissing(Exception):
    """The vault has no such content, or it cannot be opened with the keys at hand. Trying again does not help."""


class Work(NamedTuple):
    params: dict[str, Any]
    tenant: Surroundings


class ContentCache:
    """For one event loop. `close` ends the thread and its connection."""

    def __init__(self) -> None:
        self._contents: OrderedDict[Key, tuple[dict[str, Any], int]] = OrderedDict()
        self._bytes = 0
        self._tenants: dict[int, Surroundings] = {}
        self._secret_names: dict[int, set[str]] = {}
        self._waiting: dict[Key, asyncio.Future[Work]] = {}
        self._refreshing: set[int] = set()
        self._forgotten = 0  # how often
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vault")

    def cached(self, row: Claimed) -> Work | None:
        key = Key(row.tenant_id, row.job_id, row.content_version)
        found = self._contents.get(key)
        tenant = self._tenants.get(row.tenant_id)
        if found is None or tenant is None or tenant.expires <= monotonic():
            return None
        self._contents.move_to_end(key)
        if tenant.expires - monotonic() < FRESH_SECONDS / 2 and row.tenant_id not in self._refreshing:
            self._refresh(row.tenant_id)  # meanwhile nothing waits
        return Work(found[0], tenant)

    async def load(self, row: Claimed) -> Work:
        """Raises ContentMissing, and Django's OperationalError or InterfaceError while the database is away."""
        key = Key(row.tenant_id, row.job_id, row.content_version)
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._start_reading)
            future = self._waiting[key] = loop.create_future()
        return await asyncio.shield(future)

    def forget(self, schema_name: str | None = None) -> None:
        """What is kept of the tenant's endpoint and secrets is no longer so; without a name, of any tenant's."""
        self._forgotten += 1  # and what is being read may be from before
        for tenant_id, tenant in list(self._tenants.items()):
            if schema_name in (None, tenant.schema_name):
                del self._tenants[tenant_id]

    async def warm(self) -> None:
        """Connect before the first execution would wait for it."""
        with suppress(OperationalError, InterfaceError):
            await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: connection.ensure_connection()
            )

    async def close(self) -> None:
        # The lambda: `connection` is another one in each thread, and it is the pool's that has to be closed.
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: connection.close())
        self._thread.shutdown()

    def _refresh(self, tenant_id: int) -> None:
        self._refreshing.add(tenant_id)
        names = frozenset(self._secret_names.get(tenant_id, ()))
        reading = asyncio.get_running_loop().run_in_executor(self._thread, read_vault, tenant_id, [], names)
        reading.add_done_callback(partial(self._refreshed, tenant_id, self._forgotten))

    def _refreshed(self, tenant_id: int, forgotten: int, reading: asyncio.Future[Read]) -> None:
        self._refreshing.discard(tenant_id)
        if (
            not reading.cancelled() and reading.exception() is None
        ):  # an error is met again by whoever has to wait
            self._keep(tenant_id, reading.result(), forgotten)

    def _start_reading(self) -> None:
        waiting, self._waiting = self._waiting, {}
        by_tenant: dict[int, list[Key]] = {}
        for key in waiting:
            by_tenant.setdefault(key.tenant_id, []).append(key)
        for tenant_id, keys in by_tenant.items():
            # Taken now: what is read for other tenants may push them out of the cache before this is done.
            present = {key: self._contents[key] for key in keys if key in self._contents}
            absent = [key for key in keys if key not in present]
            names = frozenset(self._secret_names.get(tenant_id, ()))
            reading = asyncio.get_running_loop().run_in_executor(
                self._thread, read_vault, tenant_id, absent, names
            )
            reading.add_done_callback(
                partial(self._finish, keys=keys, waiting=waiting, present=present, forgotten=self._forgotten)
            )

    def _finish(
        self,
        reading: asyncio.Future[Read],
        keys: list[Key],
        waiting: dict[Key, asyncio.Future[Work]],
        present: Mapping[Key, tuple[dict[str, Any], int]],
        forgotten: int,
    ) -> None:
        error = RuntimeError("the worker is stopping") if reading.cancelled() else reading.exception()
        for key in keys:
            future = waiting[key]
            if error is not None:
                future.set_exception(error)
            else:
                read = reading.result()
                self._resolve(future, present.get(key) or read.contents.get(key), read)
            future.exception()  # marks it as seen: nobody may be waiting for it any more
        if error is None:
            self._keep(keys[0].tenant_id, reading.result(), forgotten)

    def _resolve(
        self, future: asyncio.Future[Work], found: tuple[dict[str, Any], int] | None, read: Read
    ) -> None:
        if found is None or read.tenant is None:
            future.set_exception(ContentMissing())
        else:
            future.set_result(Work(found[0], read.tenant))

    def _keep(self, tenant_id: int, read: Read, forgotten: int) -> None:
        if read.tenant is None:
            return
        if forgotten == self._forgotten:
            self._tenants[tenant_id] = read.tenant
        self._secret_names[tenant_id] = set(read.tenant.secrets)
        for key, found in read.contents.items():
            if key not in self._contents:
                self._bytes += found[1]
                self._contents[key] = found
        while len(self._contents) > MAX_CONTENTS or self._bytes > MAX_CONTENT_BYTES:
            _, (_, size) = self._contents.popitem(last=False)
            self._bytes -= size
