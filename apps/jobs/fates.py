"""What became of each nominal time of a job. Pure: rows and where the job stands in; entries out.

An execution, waiting, running or finished, is a fate of its own. Times without one are told as ranges, however many
they are: a skip is one, and so is each stretch in which the schedule names times that nothing records (before the job
was made, not dispatched yet, to come). A range speaks of the times between its ends that have no fate of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.executions.states import State
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import next_after
from apps.jobs.schedules import missed
from apps.jobs.standing import INSTANT, Fate, Standing, stretches

Run = Execution | ExecutionLog


@dataclass(frozen=True, slots=True)
class Entry:
    """The fate of one time, or of `count` of them from `first` to `last`, both within what was asked.

    `count` is None where the schedule that named them is gone and only the whole skip's count is known. `run` is the
    execution, `skip` the range that was recorded, which may reach further than what was asked.
    """

    fate: Fate
    first: datetime
    last: datetime
    count: int | None = 1
    run: Run | None = None
    skip: Skip | None = None


def entries(
    standing: Standing,
    runs: Iterable[Run],
    skips: Iterable[Skip],
    start: datetime,
    until: datetime,
    *,
    whole: bool = False,
) -> list[Entry]:
    """All of [start, until], earliest first; `runs` and `skips` are those that reach into it.

    Skips are cut to what was asked unless `whole`. A run that is both live and in the ledger ended in between.
    """
    ended = {(run.scheduled_for, run.kind): run for run in sorted(runs, key=_finished)}
    ordered_runs = sorted(ended.values(), key=lambda run: (run.scheduled_for, run.kind))
    ordered_skips = sorted(skips, key=lambda skip: skip.first)
    covering = _Covering(standing.rule, ordered_skips)
    found = [
        Entry(
            _fate_of(run), run.scheduled_for, run.scheduled_for, run=run, skip=covering.of(run.scheduled_for)
        )
        for run in ordered_runs
    ]
    made_up = {entry.first for entry in found if entry.skip is not None}
    for skip in ordered_skips:
        if whole:
            found.append(Entry(Fate.SKIPPED, skip.first, skip.last, skip.count, skip=skip))
        elif part := _part(standing.rule, skip, start, until, made_up):
            found.append(part)
    taken = _merged([(run.scheduled_for, run.scheduled_for) for run in ordered_runs]
                    + [(skip.first, skip.last) for skip in ordered_skips])  # fmt: skip
    found.extend(_unrecorded(standing, taken, start, until))
    return sorted(found, key=lambda entry: (entry.first, entry.run is not None, entry.last))


def names(rule: Rule | None, instant: datetime) -> bool:
    """Whether `instant` is a time of `rule`."""
    return rule is not None and next_after(rule, instant - INSTANT) == instant


def agrees(rule: Rule | None, skip: Skip) -> bool:
    """Whether the times of `skip` are those that `rule` names, as far as its ends tell."""
    return names(rule, skip.first) and (skip.last == skip.first or names(rule, skip.last))


class _Covering:
    """Finds the skip that an instant was part of."""

    def __init__(self, rule: Rule | None, skips: Sequence[Skip]) -> None:
        self._rule, self._skips = rule, skips
        self._firsts = [skip.first for skip in skips]
        self._agreeing: dict[int, bool] = {}

    def of(self, instant: datetime) -> Skip | None:
        index = bisect_right(self._firsts, instant) - 1
        if index < 0 or self._skips[index].last < instant:
            return None
        skip = self._skips[index]
        if instant in (skip.first, skip.last):
            return skip
        if index not in self._agreeing:
            self._agreeing[index] = agrees(self._rule, skip)
        return skip if self._agreeing[index] else None


def _finished(run: Run) -> bool:
    return isinstance(run, ExecutionLog)


def _fate_of(run: Run) -> Fate:
    if isinstance(run, ExecutionLog):
        return Fate(run.status)
    return Fate.PENDING if run.state == State.PENDING else Fate.RUNNING


def _part(
    rule: Rule | None, skip: Skip, start: datetime, until: datetime, made_up: set[datetime]
) -> Entry | None:
    """What of a skip lies in [start, until], without the times that have been run since; None: nothing."""
    low, high = max(skip.first, start), min(skip.last, until)
    since = sum(1 for instant in made_up if low <= instant <= high)
    if (low, high) == (skip.first, skip.last):
        count = skip.count - since
        return Entry(Fate.SKIPPED, low, high, count, skip=skip) if count > 0 else None
    if rule is None or not agrees(rule, skip):
        return Entry(Fate.SKIPPED, low, high, None, skip=skip)
    ticks = missed(rule, low, high)
    if ticks.first is None or ticks.last is None or ticks.count <= since:
        return None
    return Entry(Fate.SKIPPED, ticks.first, ticks.last, min(ticks.count, skip.count) - since, skip=skip)


def _unrecorded(
    standing: Standing, taken: Sequence[tuple[datetime, datetime]], start: datetime, until: datetime
) -> Iterator[Entry]:
    """The times that the schedule names outside `taken`, one entry for each stretch with the same explanation."""
    for low, high, fate in stretches(standing):
        low, high = max(low, start), min(high, until)
        if low > high:
            continue
        if standing.rule is None:
            if fate is standing.held and standing.placed and low <= standing.now:
                yield Entry(fate, low, min(high, standing.now), None)
            continue
        if found := _outside(standing.rule, taken, low, high):
            yield Entry(fate, *found)


def _outside(
    rule: Rule, taken: Sequence[tuple[datetime, datetime]], low: datetime, high: datetime
) -> tuple[datetime, datetime, int] | None:
    """The first and the last time of [low, high] outside `taken`, and how many there are.

    All that are taken are subtracted from all that there are: hundreds of short gaps would have to be walked.
    """
    count = missed(rule, low, high).count
    for first, last in taken:
        first, last = max(first, low), min(last, high)
        if first == last:
            count -= names(rule, first)
        elif first < last:
            count -= missed(rule, first, last).count
    if count <= 0:
        return None
    gaps = list(_gaps(taken, low, high))
    starts = (_first_of(rule, gap) for gap in gaps)
    ends = (missed(rule, *gap).last for gap in reversed(gaps) if _first_of(rule, gap))
    return next(filter(None, starts)), next(filter(None, ends)), count


def _first_of(rule: Rule, gap: tuple[datetime, datetime]) -> datetime | None:
    first = next_after(rule, gap[0] - INSTANT)
    return first if first is not None and first <= gap[1] else None


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping spans as one, in order."""
    merged: list[tuple[datetime, datetime]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _gaps(
    taken: Sequence[tuple[datetime, datetime]], low: datetime, high: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """What of [low, high] lies outside the spans."""
    for first, last in taken:
        if first > high:
            break
        if low < first:
            yield low, first - INSTANT
        low = max(low, last + INSTANT)
    if low <= high:
        yield low, high
