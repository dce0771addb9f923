"""Strikes by the plan, and remembers whom."""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from tests.chaos import clocks
from tests.chaos.aim import stop_at, wait_for_runs
from tests.chaos.faults import Fault, strokes
from tests.chaos.fleet import Fleet, Member
from tests.chaos.history import Logged, read_ledger
from tests.chaos.relay import Cut, Relay
from tests.chaos.watch import NAME, Watch
from tests.clusters import Cluster

CUT_SECONDS = 30.0
FIND_SECONDS = 10.0


class Chaos(Watch):
    """In one thread, by an agenda. `log` says who was struck; `witnessed` is what was committed before a crash."""

    def __init__(self, fleet: Fleet, ground: Cluster, relay: Relay, log: list[str]) -> None:
        super().__init__(fleet)
        self.ground, self.relay, self.log = ground, relay, log
        self.witnessed: set[Logged] = set()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._start = 0.0
        self._to_come = 0
        self._aimed: Counter[str] = Counter()
        self._hit: Counter[str] = Counter()
        self._struck: Counter[str] = Counter()
        self._cuts: list[tuple[Fault, Cut]] = []

    def run(self, faults: list[Fault], seconds: float) -> None:
        """For so long, and until each fault has struck."""
        self._start = time.monotonic()
        for fault in faults:
            for at in strokes(fault):
                self._put(at, partial(self._strike, fault, first=at == fault.at))
        self._to_come = len(self._agenda)
        while (now := self._now) < seconds or self._to_come:
            if self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
                continue
            self.fleet.note_deaths()
            time.sleep(min(self._agenda[0][0] - now if self._agenda else 0.2, 0.2))

    def calm(self) -> None:
        """No more faults, but for cuts yet to come. Everything runs, with clocks as wrong as they are."""
        self.fleet.heal()
        self.wait(lambda: all(cut.struck for _, cut in self._cuts), "each cut struck", CUT_SECONDS)
        self.log += [f"{fault}: {cut.struck} heard of no commit" for fault, cut in self._cuts]

    def helped(self) -> bool:
        return all(helper.poll() is not None for helper in self.fleet.helpers)

    def figures(self) -> dict[str, Any]:
        aims = {f"aimed {moment}": f"{self._hit[moment]}/{n}" for moment, n in self._aimed.items()}
        well = f"{sum(helper.returncode == 0 for helper in self.fleet.helpers)}/{len(self.fleet.helpers)}"
        return {
            **self._struck,
            **aims,
            "helpers ended well": well,
        }

    @property
    def _now(self) -> float:
        return time.monotonic() - self._start

    def _put(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    # -- faults ------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault, *, first: bool) -> None:
        act = {"cut": self._cut, "crash": self._crash, "repair": self._repair, "clock": self._shift}
        whom = act.get(fault.kind, self._strike_one)(fault)
        if first and not whom and self._now < fault.at + FIND_SECONDS:  # nobody is there yet, or any more
            self._put(self._now + 0.1, partial(self._strike, fault, first=True))
            return
        self._to_come -= 1
        if first:
            self._struck[fault.kind] += bool(whom)
            self.log.append(f"{fault}: {whom or 'nobody'}")

    def _strike_one(self, fault: Fault) -> str:
        """A process, or its sessions; or everyone's."""
        everyone = fault.role == "everyone"
        member = None if everyone else self.member(fault.role, len(self.log))
        if not everyone and member is None:
            return ""
        if fault.kind in ("terminate", "cancel"):
            self._end_sessions(fault.kind, member)
        if member is None:
            return "everyone"
        return member.name + (self._signal(fault, member) if fault.kind in ("kill", "stop", "pause") else "")

    def _signal(self, fault: Fault, member: Member) -> str:
        hit = ""
        if fault.moment:
            self._aimed[fault.moment] += 1
            wait = wait_for_runs if fault.kind == "stop" else partial(stop_at, fault.moment, self.fleet)
            done = wait(member, self.scalar)
            self._hit[fault.moment] += done
            hit = ", hit" if done else ", missed"
        match fault.kind:
            case "kill":
                self.fleet.kill(member)
                self._put(self._now + fault.seconds, partial(self.fleet.start, member))
            case "stop":
                self.fleet.tell_to_stop(member)
                self._put(self._now + fault.seconds, partial(self._restart, member))
            case "pause":
                self.fleet.pause(member)
                self._put(self._now + fault.seconds, partial(self._resume, member, member.generation))
        return hit

    def _restart(self, member: Member) -> None:
        if not self.fleet.restart(member):
            self._put(self._now + 0.1, partial(self._restart, member))

    def _resume(self, member: Member, generation: int) -> None:
        if member.generation == generation:
            self.fleet.resume(member)

    def _cut(self, fault: Fault) -> str:
        self._cuts.append((fault, self.relay.arm(fault.role)))
        return "the next one"

    def _crash(self, fault: Fault) -> str:
        """In this thread, to its end: nothing else can be struck meanwhile."""
        self.witnessed |= set(self.ask(read_ledger))
        if fault.role != "backend":
            if fault.role == "power":
                self.ground.kill()
            else:
                self.ground.stop("immediate")
            time.sleep(fault.seconds)
            self.ground.start()
            return "all of it"
        found = self.ask(
            lambda session: session.execute(
                "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE 'scheduler %'"
                " ORDER BY application_name LIKE 'scheduler leader%' DESC, random() LIMIT 1"
            ).fetchone()
        )
        if found is None:
            return ""
        os.kill(found[0], signal.SIGKILL)  # its server ends all the others, and recovers
        return str(found[1])

    def _repair(self, fault: Fault) -> str:
        self.fleet.help("-m", "tests.chaos.reaping", f"{fault.seconds:.2f}")
        self.fleet.help("manage.py", "reconcile", "--reason", "chaos", "--json")
        return "all"

    def _shift(self, fault: Fault) -> str:
        member = next(member for member in self.fleet.members if member.place == fault.role)
        if member.clock is None:
            return clocks.MISSING
        member.clock.shift(fault.seconds)
        return member.name

    def _end_sessions(self, kind: str, member: Member | None) -> None:
        """Those of a process; without one, all but the test's own."""
        function = {"terminate": "pg_terminate_backend", "cancel": "pg_cancel_backend"}[kind]
        pattern = f"scheduler % {member.name}%" if member else "%"
        self.scalar(
            f"SELECT count({function}(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            f" AND application_name <> '{NAME}' AND application_name LIKE %s",
            [pattern],
        )
