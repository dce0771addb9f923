"""Which faults, when: all of it decided by the seed, before anything starts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.chaos.fleet import LEASE_SECONDS, TRUST_SECONDS

KINDS = {"kill": 3, "pause": 4, "terminate": 3, "cancel": 2}
ROLES = ("leader", "standby", "worker")
FIRST_AT = 1.5
CANCEL_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` seconds after the start; `seconds` is how long a pause or a spam of cancels lasts, or until a restart.

    A role is looked up when the fault strikes. `everyone` is for sessions: all but the test's own.
    """

    at: float
    kind: str
    role: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.2f} s {self.kind} {self.role} ({self.seconds:.2f} s)"


def plan(*, seed: int, seconds: float) -> list[Fault]:
    """The faults of a run of that length; a longer run of the same seed begins with the same faults."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    at = FIRST_AT
    while at < seconds:
        kind = chance.choices([*KINDS], [*KINDS.values()])[0]
        of_sessions = kind in ("terminate", "cancel")
        role = chance.choice((*ROLES, "everyone") if of_sessions else ROLES)
        faults.append(Fault(round(at, 3), kind, role, round(_duration(chance, kind), 3)))
        at += chance.uniform(0.3, 1.5)
    return faults


def strokes(fault: Fault) -> list[float]:
    """When it strikes: a spam of cancels many times, anything else once."""
    if fault.kind != "cancel":
        return [fault.at]
    return [fault.at + CANCEL_EVERY * n for n in range(int(fault.seconds / CANCEL_EVERY) + 1)]


def _duration(chance: random.Random, kind: str) -> float:
    if kind == "pause":  # half of them outlast the lease and the trust window
        short, long = chance.uniform(0.05, 1.0), max(LEASE_SECONDS, TRUST_SECONDS) * chance.uniform(1.1, 1.8)
        return chance.choice((short, long))
    return {"kill": chance.uniform(0.0, 1.0), "cancel": chance.uniform(0.1, 0.5)}.get(kind, 0.0)
