"""A leader's check cycles in the journal.

A leader may go through hundreds of cycles a second, so they are written together: at most one `check_cycle` row a
second while there is work, at least one a minute. The row's `event_data.cycles` says how many cycles it stands for,
`check_cycle_number` is the last of them, counted from the beginning of the term; the task numbers and the duration are
their sums.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from apps.leadership.journal import event_insert
from apps.leadership.models import SchedulerEvent
from apps.leadership.steps import StepResult

BUSY_SECONDS = 1.0
QUIET_SECONDS = 60.0


class CycleJournal:
    """Cycles of one term that are not written yet. `clock` counts seconds, from anywhere."""

    def __init__(
        self, *, epoch: int, check_interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._epoch = epoch
        self._interval_minutes = check_interval / 60
        self._clock = clock
        self.number = 0
        self._written_at = clock() - QUIET_SECONDS  # a new term says at once that it checks
        self._forget()

    def add(self, results: Mapping[str, StepResult], *, seconds: float) -> None:
        """Count one cycle: what each step returned, and how long they took together."""
        self.number += 1
        self._cycles += 1
        self._seconds += seconds
        for step, result in results.items():
            self._by_step.setdefault(step, Counter()).update(result.counts)
            self._by_type.update(result.by_type)
            self._found_work |= any(result.counts.values())

    @property
    def due_in(self) -> float:
        """Seconds until `write` has something to say."""
        wait = BUSY_SECONDS if self._found_work else QUIET_SECONDS
        return max(0.0, self._written_at + wait - self._clock())

    def write(self, cursor: Any) -> None:
        """Append the row for the cycles since the last one, in a transaction; call `written` after its commit."""
        event_insert(
            cursor,
            event_type=SchedulerEvent.Type.CHECK_CYCLE,
            epoch=self._epoch,
            check_cycle_number=self.number,
            check_interval_minutes=self._interval_minutes,
            tasks_found=self._total("found"),
            tasks_executed=self._total("executed"),
            tasks_failed=self._total("failed"),
            tasks_by_type=dict(self._by_type),
            check_duration_seconds=round(self._seconds, 6),
            event_data={
                "cycles": self._cycles,
                "tasks_skipped": self._total("skipped"),
                "steps": {step: dict(+counts) for step, counts in self._by_step.items() if +counts},
            },
        )

    def written(self) -> None:
        self._written_at = self._clock()
        self._forget()

    @property
    def has_work(self) -> bool:
        """Whether cycles that found work are not written yet."""
        return self._found_work

    def _total(self, name: str) -> int:
        return sum(counts[name] for counts in self._by_step.values())

    def _forget(self) -> None:
        self._cycles, self._seconds, self._found_work = 0, 0.0, False
        self._by_step: dict[str, Counter[str]] = {}
        self._by_type: Counter[str] = Counter()
