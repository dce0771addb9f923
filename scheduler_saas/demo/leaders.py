"""Which of the processes started here leads, what befell it and when, and who came after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from scheduler_saas.demo.children import Children
from scheduler_saas.demo.witnesses import Fault

Session = psycopg.Connection[tuple[Any, ...]]
_LEADER = """
SELECT process_id, epoch, backend_pid FROM leadership_leaderterm WHERE ended_at IS NULL ORDER BY epoch DESC LIMIT 1
"""
_SUCCESSOR = """
SELECT epoch, replica, started_at FROM leadership_leaderterm WHERE epoch > %(epoch)s ORDER BY epoch LIMIT 1
"""
_WITHIN = 10.0
_LOOK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Leader:
    """`name` is that of the child, `backend_pid` its session's."""

    name: str
    epoch: int
    backend_pid: int


@dataclass(frozen=True, slots=True)
class Successor:
    epoch: int
    replica: str
    started_at: datetime


def database_now(session: Session) -> datetime:
    row = session.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    moment: datetime = row[0]
    return moment


def find_leader(session: Session, children: Children) -> Leader | None:
    """The child that holds the open term. None when no child does."""
    row = session.execute(_LEADER).fetchone()
    name = children.name_of(row[0]) if row else None
    return Leader(name, row[1], row[2]) if row and name else None


def kill_leader(session: Session, children: Children, leader: Leader) -> Fault:
    """SIGKILL: no closed term; the lock goes when the server sees the socket close."""
    fault = Fault(database_now(session), leader.epoch)
    children.kill(leader.name)
    return fault


def wait_for_successor(session: Session, epoch: int, *, within: float = _WITHIN) -> Successor | None:
    """The term after `epoch`, None when there is none within so many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if row := session.execute(_SUCCESSOR, {"epoch": epoch}).fetchone():
            return Successor(*row)
        time.sleep(_LOOK_EVERY)
    return None
