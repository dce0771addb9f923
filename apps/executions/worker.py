"""One worker: an asyncio process that claims executions, runs their targets and writes what became of them.

    claimer ──rows──▶ a task for each ──ends──▶ flusher
                         ▲
    heartbeat (thread) ──┘ cancels what has lost its lease; looks at once when the claimer hears of a cancellation

Async targets run in this loop, plain functions in processes of their own. `stop` drains: no more claims, a while for
what runs, then every lease that is left is handed back: on record where its target had been called, and else as if it
had not been claimed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from django.db import InterfaceError, OperationalError

from apps.executions import metrics, verdict
from apps.executions.claimer import MAX_BATCH, Claimer
from apps.executions.clock import DatabaseClock
from apps.executions.content import ContentCache, ContentMissing, Work
from apps.executions.flusher import Flusher
from apps.executions.heartbeat import Heartbeat
from apps.executions.leases import Lease, Leases
from apps.executions.limits import Limits
from apps.executions.queue import Claimed, Released
from apps.executions.redaction import redaction
from apps.executions.spans import traced
from apps.executions.targets.context import ExecutionContext, Resources, TargetFailed, TargetResult
from apps.executions.targets.http import HttpClient
from apps.executions.targets.processes import ProcessRunner
from apps.executions.targets.runner import run_target
from apps.tenants.log_context import log_about

logger = logging.getLogger(__name__)
WRITE_SECONDS = 10.0
CANCEL_SECONDS = 2.0
AWAY_SECONDS = 1.0


def worker_name() -> str:
    """Host and process, and a random part: neither of the others is unique among containers."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}"


class Worker:
    """Made and run in one event loop. `counts` says what it did: claimed, completed, retried, released, stale,
    duplicates, lost."""

    def __init__(
        self, *, limits: Limits | None = None, name: str | None = None, until_empty: bool = False
    ) -> None:
        self.name = name or worker_name()
        self.limits = limits or Limits.from_settings()
        self.counts: Counter[str] = Counter()
        self._leases, self._clock, self._contents = Leases(), DatabaseClock(), ContentCache()
        self._processes = ProcessRunner(max_workers=self.limits.processes)
        self._http = HttpClient()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._until_empty = until_empty
        self._heartbeat = Heartbeat(
            self._leases,
            worker=self.name,
            lease_seconds=self.limits.lease,
            every=self.limits.heartbeat,
            on_lost=lambda leases: _in_loop(self._loop, self._lost, leases),
        )
        self._claimer = Claimer(
            worker=self.name,
            lease_seconds=self.limits.lease,
            poll=self.limits.poll,
            concurrency=self.limits.concurrency,
            clock=self._clock,
            start=self._start,
            free=self._free,
            held=lambda: len(self._leases),
            cancelled=self._heartbeat.hurry,
            vault_changed=self._contents.forget,
            until_empty=until_empty,
        )
        self._flusher = Flusher(
            worker=self.name,
            leases=self._leases,
            counts=self.counts,
            on_retry=self._claimer.due_in,
            on_written=self._claimer.written,
        )

    def _free(self) -> int:
        """How many may be claimed: places to run in, and no more ends waiting to be written than a few flushes take."""
        unwritten = 2 * self.limits.concurrency + MAX_BATCH - len(self._leases)
        return min(self.limits.concurrency - len(self._running), unwritten)

    @property
    def running(self) -> int:
        return len(self._running)

    def stop(self) -> None:
        """Drain and end. A second call ends the draining."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self._claimer.stop()

    async def run(self) -> None:
        """Until `stop`, or with `until_empty` until nothing is due. Leaves no task, process, lease or session."""
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._contents.close)
            await self._contents.warm()
            await stack.enter_async_context(self._http)
            if not self._until_empty:
                # They import Django: not just when the first work comes, which that would delay.
                warming = asyncio.create_task(self._warm_processes())
                stack.push_async_callback(asyncio.wait, [warming])
            stack.push_async_callback(self._processes.close)  # ends the warming, too
            self._heartbeat.start()
            stack.push_async_callback(asyncio.to_thread, self._heartbeat.join)
            stack.callback(self._heartbeat.stop)
            writing = asyncio.create_task(self._flusher.run())
            writing.add_done_callback(lambda _: self._claimer.stop())  # what cannot be written is not begun
            try:
                await self._claimer.run()
            finally:
                await self._drain()
                await self._write_out(writing)
        logger.info("worker %s ended: %s", self.name, dict(self.counts))

    async def _warm_processes(self) -> None:
        try:
            await self._processes.start()
        except (TargetFailed, OSError) as error:  # tried again, and told, by the first task that needs one
            logger.warning("worker %s: no process for plain functions yet: %s", self.name, error)

    # -- one execution -----------------------------------------------------------------------------------------

    def _start(self, rows: list[Claimed], before: float) -> None:
        self.counts["claimed"] += len(rows)
        for row in rows:
            lease = Lease(row, before + self.limits.lease)
            self._leases.add(lease)
            lease.task = asyncio.create_task(self._run(lease))
            self._running.add(lease.task)
            lease.task.add_done_callback(partial(self._ended, lease))

    def _ended(self, lease: Lease, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            if not lease.lost:  # draining; this may have been before its first step
                self._hand_back(lease)
        elif (error := task.exception()) is not None:
            logger.error("an execution's task failed; its lease will run out", exc_info=error)
            self._leases.remove(lease.execution.token)
        self._claimer.place_freed()

    async def _run(self, lease: Lease) -> None:
        row = lease.execution
        log_about(row.tenant_id, row.id)
        started = monotonic()
        try:
            work = self._contents.cached(row) or await self._contents.load(row)
            started = monotonic()
            result = redaction(work.tenant.redact).of(await self._call(lease, work))
        except ContentMissing:
            result = TargetResult(
                "failed", error="the job's content is missing or cannot be opened", permanent=True
            )
        except (OperationalError, InterfaceError) as error:
            logger.warning("execution %s is handed back: its content cannot be read: %s", row.id, error)
            await asyncio.sleep(
                AWAY_SECONDS
            )  # or it is claimed, and handed back, thousands of times a second
            self._hand_back(lease)
            return
        if lease.lost:  # it would not be cancelled; nothing it says counts any more
            return
        began, ended = self._since(started, row)
        metrics.ran(row, began, ended)
        delay = verdict.delay_before_retry(row, result, spread=random.random())  # noqa: S311 - spreads load
        if delay is None:
            self._flusher.finished(verdict.end(row, result, started=began, finished=ended))
        else:
            self._flusher.failed(
                verdict.failed_attempt(row, result, started=began, finished=ended, delay=delay)
            )

    def _now(self) -> float:
        """As the database's time: a receiver refuses what was signed by a clock that is five minutes off."""
        return self._clock.at(monotonic())

    def _since(self, started: float, row: Claimed) -> tuple[float, float]:
        """From `started` (monotonic) to now, as the database's time."""
        # The row was leased before the claim was answered, by a clock better than our estimate of it.
        began = max(self._clock.at(started), row.leased_at)
        return began, max(self._now(), began)

    def _hand_back(self, lease: Lease) -> None:
        row = lease.execution
        released: Released = {"id": row.id, "token": row.token}
        if lease.called is not None:
            released["started"], released["finished"] = self._since(lease.called, row)
        self._flusher.released(released)

    async def _call(self, lease: Lease, work: Work) -> TargetResult:
        row = lease.execution
        tenant = work.tenant
        legacy = None if row.legacy_user_id is None else str(row.legacy_user_id)
        context = ExecutionContext(
            execution_id=row.id,
            tenant=tenant.schema_name,
            job_id=row.job_id,
            job_name=row.job_name,
            attempt=row.attempt,
            epoch=row.epoch or 0,
            scheduled_for=row.scheduled_for,
            run_at=row.run_at,
            timeout_seconds=row.timeout_seconds,
            user_id=row.user_id or legacy,
            kind=row.kind,
        )
        resources = Resources(self._http, tenant.endpoint, tenant.secrets, clock=self._now)
        run = run_target(
            row.target,
            work.params,
            context,
            resources,
            self._processes,
            float(row.timeout_seconds),
            lease.mark_called,
        )
        return await traced(row, run)

    def _lost(self, leases: list[Lease]) -> None:
        stopped = self._leases.lose(leases)
        if stopped:
            self.counts["lost"] += stopped
            logger.warning("%d executions were stopped: their leases are no longer ours", stopped)

    # -- the end -----------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        if not self._running:
            return
        hurry = asyncio.create_task(self._hurry.wait())
        ended = asyncio.gather(*self._running, return_exceptions=True)
        both: list[asyncio.Future[Any]] = [ended, hurry]
        await asyncio.wait(both, timeout=self.limits.drain, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        left = [lease for lease in self._leases.copy() if lease.task in self._running]
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=CANCEL_SECONDS)
        for lease in left:
            if lease.task in self._running:  # it will not be cancelled; it ends with this process
                lease.lost = True
                self._hand_back(lease)

    async def _write_out(self, writing: asyncio.Task[None]) -> None:
        self._flusher.close()
        done, _ = await asyncio.wait([writing], timeout=WRITE_SECONDS)
        if not done:
            self._flusher.give_up()
            writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


def _in_loop(
    loop: asyncio.AbstractEventLoop, call: Callable[[list[Lease]], None], leases: list[Lease]
) -> None:
    with suppress(RuntimeError):  # the loop has ended, and with it everything that ran
        loop.call_soon_threadsafe(call, leases)
