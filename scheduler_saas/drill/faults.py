"""What may befall a leader: done, and undone once another leads."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Protocol

from scheduler_saas.demo.leaders import Leader, Session, database_now, kill_leader
from scheduler_saas.demo.stage import Stage
from scheduler_saas.demo.witnesses import Fault
from scheduler_saas.drill.relays import Relay

_MOMENT_WITHIN = 3.0  # seconds for a transaction to come by; under a load there are many in each


class Mode(Protocol):
    """`strike` hits the leader in round `number`; `heal` ends it. All of `replicas` have to stand before a round."""

    replicas: set[str]

    def strike(self, leader: Leader, number: int) -> Fault: ...
    def heal(self) -> None: ...


class Killed:
    """SIGKILL. Another process takes the place of each."""

    def __init__(self, stage: Stage, replicas: set[str], start: Callable[[str], None]) -> None:
        self._stage, self.replicas, self._start = stage, replicas, start
        self._started = len(replicas)

    def strike(self, leader: Leader, number: int) -> Fault:
        self.replicas.discard(leader.name)
        return kill_leader(self._stage.session, self._stage.children, leader)

    def heal(self) -> None:
        self._started += 1
        name = f"scheduler-{self._started}"
        self._start(name)
        self.replicas.add(name)


class Terminated:
    """pg_terminate_backend: the process lives, its session is gone."""

    def __init__(self, session: Session, replicas: set[str]) -> None:
        self._session, self.replicas = session, replicas

    def strike(self, leader: Leader, number: int) -> Fault:
        fault = Fault(database_now(self._session), leader.epoch)
        self._session.execute("SELECT pg_terminate_backend(%s)", [leader.backend_pid])
        return fault

    def heal(self) -> None:
        """There is nothing to undo."""


class Paused:
    """SIGSTOP past the takeover, then SIGCONT. In every other round in a transaction, its term's row locked."""

    def __init__(self, stage: Stage, relays: Mapping[str, Relay]) -> None:
        self._stage, self._relays = stage, relays
        self.replicas = set(relays)
        self._paused = ""

    def strike(self, leader: Leader, number: int) -> Fault:
        relay = self._relays[leader.name]
        if number % 2:
            relay.hold("answer", within=_MOMENT_WITHIN)
        fault = Fault(database_now(self._stage.session), leader.epoch)
        self._paused = leader.name
        self._stage.children.pause(leader.name)
        relay.thaw()
        return fault

    def heal(self) -> None:
        self._stage.children.send(self._paused, signal.SIGCONT)


class Partitioned:
    """The leader's connection carries nothing, and neither end is told. In every other round with a COMMIT under way.

    Then the clock is read right after the cut instead of before it, some milliseconds of seconds.
    """

    def __init__(self, session: Session, relays: Mapping[str, Relay]) -> None:
        self._session, self._relays = session, relays
        self.replicas = set(relays)
        self._cut: Relay | None = None

    def strike(self, leader: Leader, number: int) -> Fault:
        self._cut = self._relays[leader.name]
        at = database_now(self._session)
        if number % 2:
            self._cut.hold("commit", within=_MOMENT_WITHIN)
            at = database_now(self._session)
        else:
            self._cut.freeze()
        return Fault(at, leader.epoch)

    def heal(self) -> None:
        if self._cut is not None:
            self._cut.thaw()
