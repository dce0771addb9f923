"""SIGKILL for the replica that leads: no closed term; the lock goes when the server sees the socket close."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from scheduler_saas.demo.children import Children

Session = psycopg.Connection[tuple[Any, ...]]
_LEADER = """
SELECT process_id, epoch, clock_timestamp() FROM leadership_leaderterm
WHERE ended_at IS NULL ORDER BY epoch DESC LIMIT 1
"""
_SUCCESSOR = "SELECT epoch FROM leadership_leaderterm WHERE epoch > %(epoch)s AND ended_at IS NULL"
_WITHIN = 10.0
_LOOK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Kill:
    """`at` is the database's clock right before the signal, so that a takeover can only seem longer than it was."""

    at: datetime
    epoch: int
    name: str


def kill_leader(session: Session, children: Children) -> Kill | None:
    """Kills the child that holds the open term. None when no child does."""
    row = session.execute(_LEADER).fetchone()
    name = children.name_of(row[0]) if row else None
    if row is None or name is None:
        return None
    children.kill(name)
    return Kill(at=row[2], epoch=row[1], name=name)


def wait_for_successor(session: Session, kill: Kill) -> int | None:
    """The next term's epoch, None when there is none within ten seconds."""
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        if row := session.execute(_SUCCESSOR, {"epoch": kill.epoch}).fetchone():
            return int(row[0])
        time.sleep(_LOOK_EVERY)
    return None
