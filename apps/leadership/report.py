"""Who leads and who stands by, for a person on call: the terms, the lock and the sessions, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from apps.leadership.session import SESSION_NAME
from apps.leadership.statements import KEY, statement

HOURS = 24


class TermLine(NamedTuple):
    """`heartbeat_age` and `seconds` (how long it lasted, so far) are by the database's clock."""

    epoch: int
    replica: str
    host: str
    process_id: int
    backend_pid: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str
    step_down_reason: str
    heartbeat_age: float
    seconds: float


class ReplicaSession(NamedTuple):
    replica: str
    backend_pid: int
    address: str | None
    connected_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """`terms` are those of the last day, the newest first; `holders` are backends with the leader's lock."""

    terms: list[TermLine] = field(default_factory=list)
    holders: list[int] = field(default_factory=list)
    sessions: list[ReplicaSession] = field(default_factory=list)
    trust_window: float = 5.0

    @property
    def open(self) -> list[TermLine]:
        return [term for term in self.terms if term.ended_at is None]

    @property
    def leader(self) -> TermLine | None:
        """The one that leads beyond doubt."""
        return None if self.trouble else self.open[0]

    @property
    def standbys(self) -> list[ReplicaSession]:
        return [session for session in self.sessions if session.backend_pid not in self.holders]

    @property
    def trouble(self) -> str:
        """A sentence unless exactly one leads: one open term, whose backend holds the lock and says that it lives."""
        if len(self.open) > 1:
            return f"{len(self.open)} terms are open: epochs {', '.join(str(t.epoch) for t in self.open)}."
        if not self.open:
            if self.holders:
                return f"Backend {self.holders[0]} holds the lock, and no term is open."
            return f"Nobody leads; {_count(len(self.standbys), 'replica')} by."
        term = self.open[0]
        if not self.holders:
            return (
                f"Nobody leads: the session of epoch {term.epoch} ({term.replica}) is gone, and nobody has taken over;"
                f" {_count(len(self.standbys), 'replica')} by."
            )
        if self.holders != [term.backend_pid]:
            return (
                f"Backend {self.holders[0]} holds the lock, but the open term, epoch {term.epoch}, is of backend"
                f" {term.backend_pid}."
            )
        if term.heartbeat_age > self.trust_window:
            return f"The leader of epoch {term.epoch} ({term.replica}) has been silent for {term.heartbeat_age:.1f} s."
        return ""

    @property
    def sentence(self) -> str:
        if self.leader is None:
            return self.trouble
        return f"{self.leader.replica} leads, epoch {self.leader.epoch}; {_count(len(self.standbys), 'replica')} by."

    def payload(self) -> dict[str, Any]:
        """For JSON. `agree`: the lock's holder and the open term are one."""
        return {
            "ok": self.leader is not None,
            "sentence": self.sentence,
            "agree": self.holders == [term.backend_pid for term in self.open],
            "leader": self.leader and _payload(self.leader),
            "lock_holders": self.holders,
            "standbys": [_payload(session) for session in self.standbys],
            "terms": [_payload(term) for term in self.terms],
        }


def read_report() -> Report:
    """What is so now, in three queries."""
    with connection.cursor() as cursor:
        cursor.execute(statement("read_recent_terms"), {"hours": HOURS})
        terms = [TermLine(*row) for row in cursor.fetchall()]
        cursor.execute(statement("read_lock_holders"), KEY)
        holders = [pid for (pid,) in cursor.fetchall()]
        cursor.execute(statement("read_replica_sessions"), {"prefix": SESSION_NAME})
        sessions = [ReplicaSession(*row) for row in cursor.fetchall()]
    return Report(terms, holders, sessions, settings.LEADER_TRUST_WINDOW)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun} stands" if number <= 1 else f"{number} {noun}s stand"


def _payload(line: TermLine | ReplicaSession) -> dict[str, Any]:
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else round(value, 3)
        if isinstance(value, float)
        else value
        for name, value in line._asdict().items()
    }
