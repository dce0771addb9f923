"""Runs by minute, and what would become of them if each job were spread over a longer jitter.

A run that is spread over s seconds from its time on is in each minute with a probability; what is expected is the sum
of these, and costs the same for a job as for ten thousand. A jitter spreads by whole minutes and ends before the rule's
next time, as `jobs.jitter` has it. What it would move beyond the last minute is counted from the first one on: as much
comes in there from the times before, where the load is about the same every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

OPTIONS = (0, 60, 300, 600, 900, 1800, 3600)  # seconds
_MINUTE = 60
_ENOUGH = 0.9  # of what can be gained
_LEAST_GAIN, _LEAST_PART = 2, 0.1  # below that a peak is flat already


class Option(NamedTuple):
    jitter_seconds: int
    peak: int


@dataclass(slots=True, eq=False)
class Lane:
    """Runs that jitters move alike: by the minute in which they start, and by that of their nominal time, with the sum
    of the seconds after its beginning.

    `width` is how many minutes they can be spread over. They stay where they are under options before `moves_from`.
    """

    minutes: int
    width: int
    moves_from: int
    starts: list[int] = field(init=False)
    ticks: list[int] = field(init=False)
    offsets: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.starts, self.ticks, self.offsets = ([0] * self.minutes for _ in range(3))

    def tick(self, second: int, n: int) -> None:
        """`n` runs whose nominal time is so many seconds after the curve's beginning, or before it."""
        minute = second // _MINUTE % self.minutes
        self.ticks[minute] += n
        self.offsets[minute] += n * (second % _MINUTE)


class Curve:
    """The runs of so many minutes; an hour at least."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._lanes: dict[tuple[int, int], Lane] = {}
        self._known: dict[tuple[float | None, int], Lane] = {}

    def lane(self, gap_seconds: float | None, jitter_seconds: int) -> Lane:
        """The lane of runs with that jitter whose rule's next time is so much later (None: there is none)."""
        asked = gap_seconds, jitter_seconds
        if asked not in self._known:
            self._known[asked] = self._lane(*asked)
        return self._known[asked]

    def _lane(self, gap_seconds: float | None, jitter_seconds: int) -> Lane:
        gap = float("inf") if gap_seconds is None else gap_seconds
        width = int(min(gap, OPTIONS[-1])) // _MINUTE
        now = min(gap, jitter_seconds)
        spreads = (min(option, width * _MINUTE) for option in OPTIONS)
        moves_from = next((index for index, spread in enumerate(spreads) if spread > now), len(OPTIONS))
        key = (0 if moves_from == len(OPTIONS) else width, moves_from)
        if key not in self._lanes:
            self._lanes[key] = Lane(self.minutes, *key)
        return self._lanes[key]

    def starts(self) -> list[int]:
        """As the jobs are configured."""
        return [sum(column) for column in zip(*self._columns(), strict=True)]

    def _columns(self) -> list[list[int]]:
        return [[0] * self.minutes, *(lane.starts for lane in self._lanes.values())]

    def flattened(self, jitter_seconds: int) -> list[int]:
        """If no job had less jitter than that (one of OPTIONS): expected values as integers with the same total."""
        option = OPTIONS.index(jitter_seconds)
        moved: dict[int, list[Lane]] = {}
        stay = [[0] * self.minutes]
        for lane in self._lanes.values():
            if option < lane.moves_from:
                stay.append(lane.starts)
            else:
                moved.setdefault(min(jitter_seconds // _MINUTE, lane.width), []).append(lane)
        kept = [sum(column) for column in zip(*stay, strict=True)]
        if not moved:
            return kept
        spread = [_spread(lanes, width) for width, lanes in moved.items()]
        return _as_integers([sum(column) for column in zip(kept, *spread, strict=True)])

    def options(self) -> list[Option]:
        return [Option(jitter, max(self.flattened(jitter))) for jitter in OPTIONS]


def _spread(lanes: Sequence[Lane], width: int) -> list[float]:
    """What is expected in each minute of runs that are spread evenly over `width` minutes from their times on.

    One at `o` seconds of a minute falls into that minute with (60 - o) / (60 * width), into the one after the last
    whole minute with the rest; the minutes between have 1 / width each.
    """
    ticks = [sum(column) for column in zip(*(lane.ticks for lane in lanes), strict=True)]
    offsets = [sum(column) for column in zip(*(lane.offsets for lane in lanes), strict=True)]
    within = sum(ticks[-width:])  # of the last `width` minutes
    found = []
    for minute in range(len(ticks)):
        within += ticks[minute] - ticks[minute - width]
        found.append((_MINUTE * within - offsets[minute] + offsets[minute - width]) / (_MINUTE * width))
    return found


def _as_integers(expected: Sequence[float]) -> list[int]:
    """Integers that never lag behind the expected values' running sum by more than a half."""
    reached = [0, *(round(total) for total in accumulate(expected))]
    return [later - earlier for earlier, later in pairwise(reached)]


def suggested(options: Sequence[Option]) -> int:
    """The smallest jitter that gains nine tenths of what the best one takes off the peak.

    0 where the load is flat already: where not even the best takes off a tenth of it and two runs a minute.
    """
    now = options[0].peak
    gains = [now - option.peak for option in options]
    best = max(gains)
    if best < max(_LEAST_GAIN, _LEAST_PART * now):
        return 0
    return next(
        option.jitter_seconds for option, gain in zip(options, gains, strict=True) if gain >= _ENOUGH * best
    )
