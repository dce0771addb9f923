"""What a leader runs: the interface between the loop and the parts that do the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from apps.leadership.session import LeaderSession


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one run did.

    - `counts`: any names; the journal adds up `found`, `executed`, `failed` and `skipped` as those of the scheduler.
    - `again`: there is more to do now; the loop does not sleep before the next cycle.
    - `wake_in`: seconds until this step's next known work, from now; None when it knows of none.
    - `by_type`: found work by task type, for the journal.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    again: bool = False
    wake_in: float | None = None
    by_type: Mapping[str, int] = field(default_factory=dict)


class Step(Protocol):
    """One kind of the leader's work, in short transactions of `session`.

    `every` is 0 for a step of each cycle, else the seconds between its runs. A run must not hold the session idle for
    long (LEADER_IDLE_TIMEOUT): read, compute, write, in chunks. `TermLost` and errors of a dead connection are left to
    the loop; so is any other error, which the loop logs and answers with a pause for this step alone.
    """

    @property
    def name(self) -> str: ...

    @property
    def every(self) -> float: ...

    def run_once(self, session: LeaderSession) -> StepResult: ...
