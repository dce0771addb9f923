"""Which faults, when: all of it decided by the seed, before anything starts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.chaos.fleet import LEASE_SECONDS, TRUST_SECONDS

FIRST_AT = 1.5
CANCEL_EVERY = 0.02
CLOCK_SECONDS = 600.0
_PROCESSES = ("leader", "standby", "worker")
_SESSIONS = (*_PROCESSES, "everyone")

#: How likely each is, and what it strikes.
KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "kill": (3, _PROCESSES),  # SIGKILL
    "pause": (4, _PROCESSES),  # SIGSTOP, SIGCONT
    "stop": (2, ("worker", "worker", "leader")),  # SIGTERM
    "terminate": (3, _SESSIONS),  # pg_terminate_backend
    "cancel": (2, _SESSIONS),  # pg_cancel_backend, many times
    "cut": (3, ("dispatch", "claim", "flush")),  # the answer to a commit gets lost
    "crash": (1, ("server", "power", "backend")),  # of Postgres
    "repair": (1, ("everything",)),  # two reapers and `manage.py reconcile`
    "clock": (1, ("scheduler-b", "worker-b")),  # ten minutes off
}
#: Moments that are waited for. Workers and standbys have transactions of one message only: a statement.
MOMENTS = {"leader": ("", "in a transaction", "in a statement"), "worker": ("", "in a statement")}


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` seconds after the start; `seconds` is how long a pause or a spam of cancels lasts, or until a restart, or
    how wrong a clock gets.

    A role is looked up when the fault strikes. `everyone` is for sessions: all but the test's own. `moment` is what a
    signal waits for.
    """

    at: float
    kind: str
    role: str
    seconds: float
    moment: str = ""

    def __str__(self) -> str:
        when = f" {self.moment}" if self.moment else ""
        return f"{self.at:6.2f} s {self.kind} {self.role}{when} ({self.seconds:.2f} s)"


def plan(*, seed: int, seconds: float) -> list[Fault]:
    """The faults of a run of that length; a longer run of the same seed begins with the same faults.

    It begins with one of each kind, and each cut, in an order of the seed's; then they come by chance.
    """
    chance = random.Random(seed)
    opening = [kind for kind in KINDS if kind != "cut"] + ["cut"] * len(KINDS["cut"][1])
    chance.shuffle(opening)
    cuts = [*KINDS["cut"][1]]
    faults: list[Fault] = []
    at = FIRST_AT
    while at < seconds:
        if opening:
            kind = opening.pop()
            role = cuts.pop() if kind == "cut" else chance.choice(KINDS[kind][1])
        else:
            kind = chance.choices([*KINDS], [weight for weight, _ in KINDS.values()])[0]
            role = chance.choice(KINDS[kind][1])
        moment = ""
        if kind in ("kill", "pause"):
            moment = chance.choice(MOMENTS.get(role, ("", "in a statement")))
        if kind == "stop" and role == "worker":
            moment = "with runs"
        faults.append(Fault(round(at, 3), kind, role, round(_duration(chance, kind), 3), moment))
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
    if kind == "clock":
        return chance.choice((CLOCK_SECONDS, -CLOCK_SECONDS))
    spans = {
        "kill": (0.0, 1.0),
        "stop": (0.0, 1.0),
        "crash": (0.0, 0.5),
        "cancel": (0.1, 0.5),
        "repair": (1.0, 3.0),
    }
    return chance.uniform(*spans.get(kind, (0.0, 0.0)))
