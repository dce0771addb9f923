"""Leadership's SQL: one function for each file of `sql/`, on a psycopg cursor of a replica's own session."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg

from apps.leadership.locks import CLASS, Lock

Session = psycopg.Cursor[tuple[Any, ...]]
KEY = {"class": CLASS, "id": int(Lock.LEADER)}


class Evicted(NamedTuple):
    """A term whose backend was told to end; `age` is its heartbeat's, in seconds."""

    epoch: int
    replica: str
    age: float
    terminated: bool


@cache
def statement(name: str) -> LiteralString:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def check_server(cursor: Session) -> tuple[bool, bool]:
    """(in recovery, read-only)."""
    recovering, read_only = _one(cursor.execute(statement("check_server")))
    return recovering, read_only


def read_backend(cursor: Session) -> tuple[int, str]:
    """(pid of the server process, the session mark found there or "")."""
    pid, mark = _one(cursor.execute(statement("read_backend")))
    return pid, mark or ""


def try_lock(cursor: Session) -> bool:
    (taken,) = _one(cursor.execute(statement("try_lock"), KEY))
    return bool(taken)


def unlock(cursor: Session) -> None:
    cursor.execute(statement("unlock"), KEY)


def supersede_terms(cursor: Session) -> list[int]:
    """Epochs that were still open."""
    return [epoch for (epoch,) in cursor.execute(statement("supersede_terms"))]


def open_term(
    cursor: Session, *, term_id: UUID, replica: str, host: str, process_id: int
) -> tuple[int, datetime]:
    """(epoch, when it started by the database's clock)."""
    params = {"term_id": term_id, "replica": replica, "host": host, "process_id": process_id}
    epoch, started_at = _one(cursor.execute(statement("open_term"), params))
    return epoch, started_at


def fence(cursor: Session, *, epoch: int, term_id: UUID) -> str | None:
    """Why the leader is to step down, "" if it is not; None when the term is over."""
    row = cursor.execute(statement("fence"), {"epoch": epoch, "term_id": term_id}).fetchone()
    return str(row[0]) if row else None


def beat(cursor: Session, *, epoch: int, term_id: UUID) -> str | None:
    """As `fence`."""
    row = cursor.execute(statement("beat"), {"epoch": epoch, "term_id": term_id, **KEY}).fetchone()
    return str(row[0]) if row else None


def close_term(cursor: Session, *, epoch: int, term_id: UUID, reason: str) -> bool:
    cursor.execute(statement("close_term"), {"epoch": epoch, "term_id": term_id, "reason": reason})
    return cursor.fetchone() is not None


def evict_silent_leader(cursor: Session, *, trust_window: float, idle_timeout: float) -> list[Evicted]:
    windows = {"trust_window": trust_window, "idle_timeout": idle_timeout}
    cursor.execute(statement("evict_silent_leader"), {**windows, **KEY})
    return [Evicted(*row) for row in cursor]


def mark_evicted(cursor: Session, *, epoch: int, reason: str) -> bool:
    """Whether the term was still open."""
    row = cursor.execute(statement("mark_evicted"), {"epoch": epoch, "reason": reason}).fetchone()
    return row is not None and bool(row[0])


def delete_terms(cursor: Session, *, days: int, limit: int) -> int:
    """Up to `limit` terms that ended more than `days` ago; how many it were."""
    return cursor.execute(statement("delete_terms"), {"days": days, "limit": limit}).rowcount


def delete_refused_writes(cursor: Session, *, days: int, limit: int) -> int:
    """Up to `limit` records of refused writes that are more than `days` old; how many it were."""
    return cursor.execute(statement("delete_refused_writes"), {"days": days, "limit": limit}).rowcount


def read_last_interval(cursor: Session) -> float | None:
    """Minutes, or None when no term has said any."""
    row = cursor.execute(statement("read_last_interval")).fetchone()
    return row[0] if row else None


def _one(cursor: Session) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise psycopg.DataError("a statement that always gives a row gave none")
    return row
