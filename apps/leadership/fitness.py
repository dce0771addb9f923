"""Servers and routes on which there could be two leaders, or none: refused with the reason."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg

from apps.leadership import statements

Connection = psycopg.Connection[tuple[Any, ...]]
_ROUNDS = 3


class UnfitServer(Exception):
    """This server, or the way to it, cannot hold a leader. The text says why, for an operator."""


def refuse_read_only(connection: Connection) -> None:
    """Raises UnfitServer for a hot standby and for a session that may not write."""
    with connection.cursor() as cursor:
        recovering, read_only = statements.check_server(cursor)
    if recovering:
        raise UnfitServer("the server is a replica in recovery; LEADER_DATABASE_URL must lead to the primary")
    if read_only:
        raise UnfitServer("transactions are read-only here (default_transaction_read_only is on)")


def refuse_shared_backend(connection: Connection, other: Connection) -> None:
    """Raises UnfitServer behind a pooler that lends server sessions by the transaction.

    There the lock would stay with a server session that other clients use. Such a pooler gives `other`, in a
    transaction of its own, the session that `connection` had, or gives `connection` a different one now. The mark is
    a second witness: it is a setting of the server session. A pooler of many threads may by chance give the session
    back to whom it was taken from, but not again and again.
    """
    for _ in range(_ROUNDS):
        _refuse_if_lent(connection, other)


def _refuse_if_lent(connection: Connection, other: Connection) -> None:
    mark = uuid4().hex
    connection.execute("SELECT set_config('scheduler.replica_session', %s, false)", [mark])
    with connection.cursor() as cursor, other.cursor() as others:
        before, _ = statements.read_backend(cursor)
        with other.transaction():
            theirs, their_mark = statements.read_backend(others)
            with connection.transaction():
                after, my_mark = statements.read_backend(cursor)
    if theirs == before or their_mark == mark or after != before or my_mark != mark:
        raise UnfitServer(
            "a pooler in transaction mode is in the way: two transactions of one session were answered by different "
            "server sessions. Set DATABASE_URL, or for schedulers alone LEADER_DATABASE_URL, to a direct route to the "
            "primary or to a pool in session mode"
        )
