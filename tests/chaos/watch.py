"""What the fleet looks like from the database, by a session that is made anew when a crash takes it along."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from apps.tenants import machine
from tests.chaos.fleet import Fleet, Member
from tests.chaos.history import Session

NAME = "chaos"
BACK_SECONDS = 30.0  # until a server that crashed answers again


class Watch:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._session: Session | None = None

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> float:
        """Seconds it took."""
        start = time.monotonic()
        while not condition():
            self.fleet.note_deaths()
            assert time.monotonic() - start < seconds, f"after {seconds:.0f} s still not: {what}"
            time.sleep(0.1)
        return time.monotonic() - start

    def connected(self) -> list[Member]:
        """The processes that have come so far that they answer signals."""
        names = self.scalar(
            "SELECT string_agg(application_name, ' ') FROM pg_stat_activity WHERE datname = current_database()"
        )
        return [member for member in self.fleet.members if f" {member.name}" in names]

    def all_connected(self) -> bool:
        return len(self.connected()) == len(self.fleet.members)

    def scalar(self, sql: Any, params: Any = None) -> Any:
        return self.ask(lambda session: session.execute(sql, params).fetchall())[0][0]

    def ask(self, question: Callable[[Session], Any]) -> Any:
        """The answer, from a new session where a crash took the last one along."""
        until = time.monotonic() + BACK_SECONDS
        while True:
            try:
                return question(self.session)
            except psycopg.OperationalError:
                self.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    @property
    def session(self) -> Session:
        if self._session is None or self._session.closed:
            self._session = machine.connect(application_name=NAME)
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def member(self, role: str, turn: int) -> Member | None:
        """Who has that role at this moment; a scheduler without it if nobody has. Neither the dead nor the paused, and
        nobody who is only starting.
        """
        able = [
            member for member in self.connected() if member.alive and not member.killed and not member.paused
        ]
        if role == "worker":
            workers = [member for member in able if member in self.fleet.workers]
            return workers[turn % len(workers)] if workers else None  # in turn
        leader = self.ask(
            lambda session: session.execute(
                "SELECT replica FROM leadership_leaderterm WHERE ended_at IS NULL"
            ).fetchone()
        )
        schedulers = [member for member in able if member in self.fleet.schedulers]
        schedulers.sort(key=lambda member: (leader == (member.name,)) != (role == "leader"))
        return schedulers[0] if schedulers else None
