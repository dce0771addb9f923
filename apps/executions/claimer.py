from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic

import psycopg

from apps.executions import queue
from apps.executions.clock import DatabaseClock
from apps.executions.queue import CANCEL_CHANNEL, WORK_CHANNEL, Claimed
from apps.executions.reconnecting import Session, keep_connected
from apps.executions.search import Search
from apps.leadership import tracing
from apps.vault.services import CHANGED_CHANNEL

MAX_BATCH = 500
MAX_RANKED = 1000
GATHER_SECONDS = 0.005  # under a backlog, freed places are collected for this long: one claim for many
TAKEN_ELSEWHERE_SECONDS = 0.05
CAPPED_SECONDS = 0.1
LOCK_TIMEOUT = "5s"  # claims are done in milliseconds; whoever waits longer connects anew, and says so


class Claimer:
    """Claims what is due whenever it is told, whenever something comes due, and whenever `poll` seconds have passed.

    `start` gets the claimed rows with the monotonic time before the claim; `free` says how many more may run, `held`
    how many leases there are. The session that claims is the one that listens: a notification ends its sleep directly.
    `cancelled` is called when a person has cancelled something that this worker held, `vault_changed` with the schema
    whose endpoint or secrets have changed, or None when such news may have been missed.
    """

    def __init__(
        self,
        *,
        worker: str,
        lease_seconds: float,
        poll: float,
        concurrency: int,
        clock: DatabaseClock,
        start: Callable[[list[Claimed], float], None],
        free: Callable[[], int],
        held: Callable[[], int],
        cancelled: Callable[[], None],
        vault_changed: Callable[[str | None], None],
        until_empty: bool = False,
    ) -> None:
        self._worker, self._lease_seconds, self._poll = worker, lease_seconds, poll
        self._enough = max(1, concurrency // 4)
        self._clock, self._start, self._free, self._held = clock, start, free, held
        self._cancelled, self._vault_changed = cancelled, vault_changed
        self._idle_means_done = until_empty
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._search = Search(thorough=until_empty)
        self._backlog = False
        self._gathering: asyncio.TimerHandle | None = None
        self._next_due = inf  # monotonic; inf: nothing is known to come due
        self._asked = float("-inf")

    async def run(self) -> None:
        """Until `stop`; with `until_empty`, until nothing is due and nothing runs."""
        await keep_connected(f"scheduler worker {self._worker} claims"[:63], self._serve, self._stopped)

    def stop(self) -> None:
        # Never cancelled: the server might claim rows that nobody here hears of.
        self._stopped.set()
        self._wake.set()

    def written(self) -> None:
        """Ends were written: what rows wait for that a cap holds back."""
        if self._search.capped:
            self._wake.set()
        self.place_freed()

    def place_freed(self) -> None:
        """An execution ended, or its end was written: what a backlog waits for, and the end of a drain."""
        if self._idle_means_done or (self._backlog and self._free() >= self._enough):
            self._wake.set()
        elif self._backlog and self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._gathered)

    def due_in(self, seconds: float) -> None:
        """Something will come due that this worker put back itself."""
        moment = monotonic() + seconds
        if moment < self._next_due:
            self._next_due = moment
            self._wake.set()

    def _gathered(self) -> None:
        self._gathering = None
        self._wake.set()

    def _notified(self, channel: str, payload: str) -> None:
        if channel == WORK_CHANNEL:
            self._search.news()
            self._wake.set()
        elif channel == CHANGED_CHANNEL:
            self._vault_changed(payload)
        elif payload == self._worker:
            # Not at once: it may have come with the answer to a claim, whose leases are yet to be taken down.
            asyncio.get_running_loop().call_soon(self._cancelled)

    async def _serve(self, session: Session) -> None:
        session.add_notify_handler(lambda notice: self._notified(notice.channel, notice.payload))
        await session.execute(f"LISTEN {WORK_CHANNEL}")
        await session.execute(f"LISTEN {CANCEL_CHANNEL}")
        await session.execute(f"LISTEN {CHANGED_CHANNEL}")
        self._vault_changed(None)
        await session.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        await self._look_ahead(session)
        while not self._stopped.is_set():
            self._wake.clear()
            if self._pause() <= 0:
                await self._look_ahead(session)
            if await self._claim(session):
                continue
            if self._idle_means_done and not self._backlog and self._held() == 0 and self._pause() > 0:
                return
            await self._sleep(session, self._idle())

    async def _claim(self, session: Session) -> bool:
        """Whether to claim again at once."""
        limit = min(self._free(), MAX_BATCH)
        if limit <= 0:
            self._backlog = True
            return False
        before = monotonic()
        after, window = self._search.next(limit, before)
        taken = await queue.claim(
            worker=self._worker, limit=limit, lease_seconds=self._lease_seconds, after=after, window=window
        ).on_async(session)
        if taken:
            seconds = monotonic() - before
            tracing.record("scheduler.claim", {"scheduler.executions": len(taken)}, seconds=seconds)
            self._start(taken, before)
        self._backlog = self._search.found(taken, limit, window, monotonic())
        return self._backlog and (len(taken) < limit or self._free() >= self._enough)

    async def _look_ahead(self, session: Session) -> None:
        """Give what has come due its place, and see when there will be more.

        What is put back meanwhile (`due_in`) may be missing in the answer, and is kept beside it.
        """
        self._next_due = inf
        ranked = await queue.rank_due(limit=MAX_RANKED).on_async(session)
        before = monotonic()
        now, next_due = await queue.look_ahead().on_async(session)
        self._asked = monotonic()
        self._clock.sample(now, before, self._asked)
        if next_due is not None:
            # One that is due and was not ranked is being ranked elsewhere, unless there are too many for one go.
            wait = max(next_due - now, 0.0 if ranked == MAX_RANKED else TAKEN_ELSEWHERE_SECONDS)
            self._next_due = min(self._next_due, self._asked + wait)

    def _pause(self) -> float:
        """Seconds until the next look ahead."""
        return min(self._asked + self._poll, self._next_due) - monotonic()

    def _idle(self) -> float:
        """Seconds until the next claim, if nothing wakes it. A cap may be met, and left, by another worker's doing."""
        return min(self._pause(), CAPPED_SECONDS) if self._search.capped else self._pause()

    async def _sleep(self, session: Session, seconds: float) -> None:
        """Until woken, or a message of the server's: a notification, or the end of the session."""
        if seconds <= 0:
            return
        loop, descriptor = asyncio.get_running_loop(), session.fileno()
        broken: list[psycopg.Error] = []

        def readable() -> None:
            try:
                session.pgconn.consume_input()
                while (notice := session.pgconn.notifies()) is not None:
                    self._notified(notice.relname.decode(), notice.extra.decode())
            except psycopg.Error as error:
                broken.append(error)
                loop.remove_reader(descriptor)
                self._wake.set()

        # psycopg watches the socket only while a statement runs; between statements it is ours to watch.
        loop.add_reader(descriptor, readable)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        finally:
            loop.remove_reader(descriptor)
        if broken:
            raise psycopg.OperationalError(str(broken[0]))
