"""What planning is told of a job, and what it answers: plain values, hashable so that equal jobs are planned once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from apps.executions.states import SkipReason
from apps.jobs.states import Misfire

MAX_FIRES = 1_000  # that one step makes of one job


class Fire(NamedTuple):
    """A tick that runs, from `run_at` on; jitter comes on top. `catch_up`: one of the late ones that fire_all runs."""

    tick: datetime
    run_at: datetime
    catch_up: bool = False


@dataclass(frozen=True, slots=True)
class SkipRange:
    """`count` ticks from `first` to `last`, both included, that will have no execution."""

    first: datetime
    last: datetime
    count: int
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write for one job. `accounted` is the last tick with an outcome, `next_run_at` the first without.

    A job's runs start up to `spread` seconds after their `run_at`, each job at its own fraction (`jobs.jitter`).
    """

    fires: tuple[Fire, ...]
    skips: tuple[SkipRange, ...]
    accounted: datetime
    next_run_at: datetime | None
    again: bool = False  # ticks are left that are due already
    spread: float = 0.0

    @property
    def skipped(self) -> int:
        return sum(skip.count for skip in self.skips)


@dataclass(frozen=True, slots=True)
class Barred:
    """Why a job may not run at all for now; its ticks become one range of skips."""

    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class Blackout:
    """Ticks of [start, end) do not run; `detail` says which calendar and why."""

    start: datetime
    end: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a job wants its ticks treated. `grace_seconds` late is still on time.

    Of fire_all the latest `max_runs` late ticks run, `pace_seconds` apart. `blackouts` ascend and do not overlap; those
    that reach into the ticks to be planned are enough.
    """

    misfire: str = Misfire.FIRE_ONCE
    grace_seconds: int = 15
    max_runs: int = 100
    pace_seconds: int = 1
    jitter_seconds: int = 0
    blackouts: tuple[Blackout, ...] = ()
    barred: Barred | None = None

    @property
    def catches_up(self) -> int:
        """How many late ticks run at most."""
        if self.misfire == Misfire.FIRE_ALL:
            return min(self.max_runs, MAX_FIRES)
        return 1 if self.misfire == Misfire.FIRE_ONCE else 0
