"""A standby: tries for the lock until it has it, and ends the session of a leader that has gone silent.

It polls and never waits in `pg_advisory_lock`: a waiting statement pins vacuum and ignores SIGTERM, and a waiter that
was stopped or died would be granted the lock as a ghost.
"""

from __future__ import annotations

import logging
import time

import psycopg

from apps.leadership import statements
from apps.leadership.fitness import Connection, UnfitServer
from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession, connect
from apps.leadership.timings import Timings
from apps.leadership.wakeup import Wakeup

logger = logging.getLogger(__name__)

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 2.0


class Candidate:
    """One replica's standing for election. `stopping` ends the wait."""

    def __init__(self, *, replica: str, timings: Timings, stopping: Wakeup) -> None:
        self._replica = replica
        self._timings = timings
        self._stopping = stopping
        self._connection: Connection | None = None
        self._connected_before = False
        self._retrying = False
        self._watched_at = 0.0

    def wait(self) -> LeaderSession | None:
        """Stand by until the lock is ours; None when told to stop.

        Raises UnfitServer when the first server it meets cannot hold a leader. Later ones are waited out: in a failover
        the address may lead to a replica for a while.
        """
        backoff = _FIRST_BACKOFF
        while not self._stopping.is_set:
            try:
                session = self.try_once()
                backoff = _FIRST_BACKOFF
            except (psycopg.Error, UnfitServer) as error:
                self.close()
                if isinstance(error, UnfitServer) and not self._connected_before:
                    raise
                self._retrying = True
                logger.warning(
                    "replica %s: no session (%s); trying again in %.1f s",
                    self._replica,
                    _line(error),
                    backoff,
                )
                self._stopping.sleep(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF)
                continue
            if session is not None:
                return session
            self._stopping.sleep(self._timings.election_poll)
        self.close()
        return None

    def try_once(self) -> LeaderSession | None:
        """One attempt at leading. Raises what `session.connect` raises, and psycopg.Error when the session is gone."""
        if self._connection is None:
            self._connection = connect(replica=self._replica, timings=self._timings)
            if self._retrying:
                logger.warning("replica %s: connected again", self._replica)
            self._connected_before, self._retrying = True, False
        session = LeaderSession.try_acquire(self._connection, replica=self._replica, timings=self._timings)
        if session is not None:
            self._connection = None  # it is the session's now
        elif self._connection.closed:  # another opened a term meanwhile
            self._connection = None
        elif time.monotonic() - self._watched_at > self._timings.heartbeat:
            self._watch(self._connection)
            self._watched_at = time.monotonic()
        return session

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _watch(self, connection: Connection) -> None:
        """End the session of a leader whose heartbeat is too old, and write down why."""
        timings = self._timings
        with connection.cursor() as cursor:
            for epoch, replica, age, terminated in statements.evict_silent_leader(
                cursor, trust_window=timings.trust_window, idle_timeout=timings.idle_timeout
            ):
                reason = f"evicted by {self._replica}: no heartbeat for {age:.1f} s"
                logger.warning(
                    "epoch %s (%s) %s%s",
                    epoch,
                    replica,
                    reason,
                    "" if terminated else "; its backend was not ours to end",
                )
                self._mark(connection, epoch=epoch, reason=reason[:200])

    def _mark(self, connection: Connection, *, epoch: int, reason: str) -> None:
        try:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '500ms'")
                if statements.mark_evicted(cursor, epoch=epoch, reason=reason):
                    event_insert(
                        cursor,
                        event_type=SchedulerEvent.Type.STOP,
                        epoch=epoch,
                        event_data={"reason": reason},
                    )
        except psycopg.errors.LockNotAvailable:
            # Its backend lingers with the row locked. The term stays open, so the next watch comes back to it.
            logger.warning("epoch %s: its transaction has not ended yet", epoch)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
