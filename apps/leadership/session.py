"""The leader's one database session: it holds the lock, does the work, and refuses to commit once its term is over.

The lock and the work share the connection, so losing the one loses the other. The term's row is the second fence:
each transaction locks it (FOR NO KEY UPDATE), so that whoever closes the term waits for a commit under way, and no
commit comes after.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg

from apps.leadership import statements
from apps.leadership.fitness import Connection, refuse_read_only, refuse_shared_backend
from apps.leadership.journal import event_insert
from apps.leadership.models import ONE_OPEN, SchedulerEvent
from apps.leadership.timings import Timings
from apps.tenants import machine

logger = logging.getLogger(__name__)

SESSION_NAME = "scheduler leader "  # and the replica's: the application name of leader and standbys alike
STEPPED_DOWN = "stepped down: "  # and the reason that was given: how such a term ends


class TermLost(Exception):
    """This session's term is over: the lock, the connection or the term's row is gone. Nothing was committed."""


class LeaderElsewhere(Exception):
    """Another session holds the lock."""


def replica_name() -> str:
    """A name for this process among the replicas: its host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def connect(*, replica: str, timings: Timings) -> Connection:
    """A replica's session, fit to lead, as yet without the lock.

    Raises UnfitServer on a read-only server or behind a transaction-mode pooler; psycopg.OperationalError when there
    is no server.
    """
    name = f"{SESSION_NAME}{replica}"[:63]
    session_settings = timings.session_settings()
    connection = machine.connect(application_name=name, leader=True, session_settings=session_settings)
    try:
        refuse_read_only(connection)
        with machine.connect(application_name=f"scheduler probe {replica}"[:63], leader=True) as probe:
            refuse_shared_backend(connection, probe)
        # Frees the lock of a leader that died during a long statement. Some platforms cannot do it.
        with contextlib.suppress(psycopg.errors.InvalidParameterValue):
            connection.execute("SET client_connection_check_interval = '1s'")
    except BaseException:
        connection.close()
        raise
    return connection


class LeaderSession:
    """A held lock with its term. Made by `try_acquire` or `acquire`; used by one thread."""

    def __init__(
        self, connection: Connection, *, epoch: int, term_id: UUID, replica: str, timings: Timings
    ) -> None:
        self.connection = connection
        self.epoch = epoch
        self.term_id = term_id
        self.replica = replica
        self.timings = timings
        self.refused = False  # whether it wanted to write and could not, its term or its session being over
        self.step_down_reason = ""  # why it is to end its term, once an operator has asked for that
        self._beaten_at = time.monotonic()

    @classmethod
    def try_acquire(cls, connection: Connection, *, replica: str, timings: Timings) -> LeaderSession | None:
        """Take the lock if it is free, and open a term. None when another session holds it, or opened a term meanwhile.

        Whatever goes wrong after the lock was taken, the connection is closed: a lock without a term must not live on.
        """
        with connection.cursor() as cursor:
            if not statements.try_lock(cursor):
                return None
            term_id = uuid4()
            try:
                with connection.transaction():
                    for closed in statements.supersede_terms(cursor):
                        _journal_stop(cursor, epoch=closed, reason="superseded")
                    epoch, _ = statements.open_term(
                        cursor,
                        term_id=term_id,
                        replica=replica[:200],
                        host=socket.gethostname()[:255],
                        process_id=os.getpid(),
                    )
            except psycopg.errors.UniqueViolation as error:
                connection.close()
                if error.diag.constraint_name != ONE_OPEN:
                    raise
                logger.warning(
                    "replica %s: had the lock, but somebody who had it before opened a term meanwhile; "
                    "giving up the lock and trying again",
                    replica,
                )
                return None
            except BaseException:
                connection.close()
                raise
        return cls(connection, epoch=epoch, term_id=term_id, replica=replica, timings=timings)

    @classmethod
    def acquire(cls, *, replica: str | None = None, timings: Timings | None = None) -> LeaderSession:
        """Connect and take the lock at once. Raises LeaderElsewhere, and what `connect` raises."""
        replica = replica or replica_name()
        timings = timings or Timings.from_settings()
        connection = connect(replica=replica, timings=timings)
        try:
            session = cls.try_acquire(connection, replica=replica, timings=timings)
        except BaseException:
            connection.close()
            raise
        if session is None:
            connection.close()
            raise LeaderElsewhere("another session holds the leader's lock")
        return session

    @contextmanager
    def transaction(self) -> Iterator[statements.Session]:
        """BEGIN, the fence, the caller's statements, COMMIT; a ROLLBACK when the block raises.

        Raises TermLost before the block when the term is over. A heartbeat that is due is part of the fence.
        """
        started = time.monotonic()
        check = statements.beat if self.beat_in <= 0 else statements.fence
        try:
            self._refuse_closed()
            with self.connection.transaction(), self.connection.cursor() as cursor:
                asked = check(cursor, epoch=self.epoch, term_id=self.term_id)
                if asked is None:
                    raise TermLost(f"the term of epoch {self.epoch} is over")
                self.step_down_reason = asked
                yield cursor
        except (TermLost, psycopg.Error) as error:
            self._note_refusal(error)
            raise
        if check is statements.beat:  # a heartbeat that was rolled back has not been
            self._beaten_at = started

    def read(
        self, sql: LiteralString, params: Mapping[str, Any] | None = None, *, prepare: bool | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a query in autocommit, without the fence: what is done with them is written through `transaction`."""
        self._refuse_closed()
        if self.beat_in <= 0:
            self.beat()
        with self.connection.cursor() as cursor:
            return cursor.execute(sql, params, prepare=prepare).fetchall()

    def beat(self) -> None:
        """Write the heartbeat. Raises TermLost when the term is over or this backend has not the lock."""
        try:
            self._refuse_closed()
            with self.connection.cursor() as cursor:
                asked = statements.beat(cursor, epoch=self.epoch, term_id=self.term_id)
            if asked is None:
                raise TermLost(f"the term of epoch {self.epoch} is over, or its lock is gone")
        except (TermLost, psycopg.Error) as error:
            self._note_refusal(error)
            raise
        self.step_down_reason = asked
        self._beaten_at = time.monotonic()

    @property
    def beat_in(self) -> float:
        """Seconds until the next heartbeat is due; negative when it is late."""
        return self._beaten_at + self.timings.heartbeat - time.monotonic()

    def close(self, *, reason: str) -> None:
        """Close the term with `reason`, journal it, release the lock, disconnect. A dead session is only logged."""
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                if statements.close_term(cursor, epoch=self.epoch, term_id=self.term_id, reason=reason[:200]):
                    _journal_stop(cursor, epoch=self.epoch, reason=reason)
            with self.connection.cursor() as cursor:
                statements.unlock(cursor)
        except psycopg.Error as error:
            logger.info(
                "epoch %s: the session was gone before its term could be closed: %s", self.epoch, error
            )
        finally:
            self.connection.close()

    def _note_refusal(self, error: TermLost | psycopg.Error) -> None:
        """A statement may fail (a lock timeout, a mistake) in a term that goes on: that is no refusal."""
        ended = isinstance(error, TermLost) or error.diag.severity_nonlocalized == "FATAL"
        self.refused = self.refused or ended or self.connection.closed

    def _refuse_closed(self) -> None:
        if self.connection.closed:
            raise TermLost(f"the session of epoch {self.epoch} is gone")


def _journal_stop(cursor: statements.Session, *, epoch: int, reason: str) -> None:
    event_insert(cursor, event_type=SchedulerEvent.Type.STOP, epoch=epoch, event_data={"reason": reason})
