from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import psycopg

from apps.executions import metrics, queue
from apps.executions.leases import Leases
from apps.executions.queue import Failed, Finished, Released
from apps.executions.reconnecting import AWAY, Session, keep_connected
from apps.executions.states import AttemptOutcome
from apps.leadership.refusals import record_late_worker

logger = logging.getLogger(__name__)
GATHER_SECONDS = 0.003
MAX_BATCH = 500
UNSTORABLE = "its result could not be stored"


class Flusher:
    """Writes the ends of executions, many in one transaction: at once what is there, then what came in meanwhile.

    A lease stays held, and is renewed, until its end is written. While the server is away everything waits.
    `on_retry` is told, in seconds, when something that was put back comes due; `on_written` that a flush is done.
    """

    def __init__(
        self,
        *,
        worker: str,
        leases: Leases,
        counts: Counter[str],
        on_retry: Callable[[float], None],
        on_written: Callable[[], None],
    ) -> None:
        self._worker, self._leases, self._counts = worker, leases, counts
        self._on_retry, self._on_written = on_retry, on_written
        self._finished: list[Finished] = []
        self._failed: list[Failed] = []
        self._released: list[Released] = []
        self._wake, self._full = asyncio.Event(), asyncio.Event()
        self._closing, self._given_up = asyncio.Event(), asyncio.Event()

    @property
    def waiting(self) -> int:
        return len(self._finished) + len(self._failed) + len(self._released)

    def finished(self, end: Finished) -> None:
        self._finished.append(end)
        self._awake()

    def failed(self, attempt: Failed) -> None:
        self._failed.append(attempt)
        self._awake()

    def released(self, lease: Released) -> None:
        self._released.append(lease)
        self._awake()

    async def run(self) -> None:
        """Until `close`, and then until all is written."""
        await keep_connected(f"scheduler worker {self._worker} writes"[:63], self._serve, self._given_up)

    def close(self) -> None:
        """Nothing more will come."""
        self._closing.set()
        self._wake.set()

    def give_up(self) -> None:
        """Do not wait for a server that is away: what is not written is reaped and run again."""
        self._given_up.set()

    def _awake(self) -> None:
        self._wake.set()
        if self.waiting >= MAX_BATCH:
            self._full.set()

    async def _serve(self, session: Session) -> None:
        if self.waiting:  # of the session before this one
            self._wake.set()
        while True:
            await self._wake.wait()
            if not self._closing.is_set() and self.waiting < MAX_BATCH:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_SECONDS):
                        await self._full.wait()
            if not self._closing.is_set():
                self._wake.clear()
            self._full.clear()
            await self._flush(session)
            self._on_written()
            if self.waiting:
                self._wake.set()
            elif self._closing.is_set():
                return

    async def _flush(self, session: Session) -> None:
        # A batch leaves its list when it is written: a session that breaks half-way is followed by one that repeats it,
        # and what had been committed after all is then counted as stale.
        if batch := self._finished[:MAX_BATCH]:
            await self._complete(session, batch)
            del self._finished[: len(batch)]
            self._forget(end.token for end in batch)
            metrics.ended(end.outcome for end in batch)
        if failed := self._failed[:MAX_BATCH]:
            moved = await queue.retry(failed, worker=self._worker).on_async(session)
            del self._failed[: len(failed)]
            self._forget(attempt["token"] for attempt in failed)
            metrics.ended(attempt["outcome"] for attempt in failed)
            self._count(retried=moved.moved)
            await self._refused(session, moved.stale)
            self._on_retry(min(attempt["delay"] for attempt in failed))
        if released := self._released[:MAX_BATCH]:
            moved = await queue.release(released, worker=self._worker).on_async(session)
            del self._released[: len(released)]
            self._forget(held["token"] for held in released)
            metrics.ended(AttemptOutcome.RELEASED.value for held in released if "started" in held)
            self._count(released=moved.moved)
            await self._refused(session, moved.stale)

    async def _complete(self, session: Session, batch: Sequence[Finished]) -> None:
        try:
            done = await queue.complete(batch).on_async(session)
        except AWAY:
            raise
        except psycopg.Error as error:
            # One row that the database refuses must not hold up the others, nor be tried for ever.
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._complete(session, batch[:middle])
                await self._complete(session, batch[middle:])
                return
            logger.error("execution %s: %s: %s", batch[0].id, UNSTORABLE, error)
            done = await self._complete_unstorable(session, batch[0])
        self._count(completed=done.completed)
        await self._refused(session, done.stale, done.duplicates)

    async def _complete_unstorable(self, session: Session, end: Finished) -> queue.Completed:
        bare = end._replace(
            outcome=AttemptOutcome.FAILED.value, error_message=UNSTORABLE, result="", error_text=""
        )
        try:
            return await queue.complete([bare]).on_async(session)
        except AWAY:
            raise
        except psycopg.Error:
            logger.exception("execution %s could not be finished; its lease will run out", end.id)
            return queue.Completed(completed=0, stale=0, duplicates=0)

    async def _refused(self, session: Session, stale: int, duplicates: int = 0) -> None:
        """Count what was not ours to write any more, and put it on record."""
        if not stale and not duplicates:
            return
        self._count(stale=stale, duplicates=duplicates)
        logger.warning("%d leases were no longer ours, %d ticks had ended before", stale, duplicates)
        await record_late_worker(session, worker=self._worker, stale=stale, duplicates=duplicates)

    def _forget(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._leases.remove(token)

    def _count(self, **counts: int) -> None:
        for name, n in counts.items():
            self._counts[name] += n
