"""Runs of intervals: seconds at equal distances. Those that coincide are added up first, and laid out once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from apps.jobs.forecast.curve import Lane

MOST_STEPS = 5_000_000  # laid out; less than a tenth of a microsecond each
_SECOND, _MINUTE = 1_000_000, 60
Span = tuple[int, int]


class Progressions:
    """Of a curve's lanes. There are no more of one length than it has seconds, whatever the number of jobs."""

    def __init__(self, most: int = MOST_STEPS) -> None:
        self._starts: Counter[tuple[Lane, int, int, int]] = Counter()
        self._ticks: Counter[tuple[Lane, int, int, int]] = Counter()
        self._left = most

    def has_room(self) -> bool:
        return self._left > 0

    def add(self, lane: Lane, first: int, delay: int, every: int, count: int, n: int) -> None:
        """`n` jobs with `count` times from `first` on, `every` so many seconds; they run `delay` later. The others are
        microseconds after the curve's beginning.
        """
        start = (lane, (first + delay) // _SECOND, every, count)
        self._left -= count * (start not in self._starts)
        self._starts[start] += n
        if lane.width:  # else no jitter moves it
            tick = (lane, first // _SECOND, every, count)
            self._left -= count * (tick not in self._ticks)
            self._ticks[tick] += n

    def lay_out(self) -> None:
        for (lane, first, every, count), n in self._starts.items():
            for second in range(first, first + every * count, every):
                lane.starts[second // _MINUTE] += n
        for (lane, first, every, count), n in self._ticks.items():
            for second in range(first, first + every * count, every):
                lane.tick(second, n)


def outside(low: int, high: int, closed: Sequence[Span]) -> Iterator[Span]:
    """What of [low, high) lies in none of the spans, which ascend and do not overlap."""
    for start, end in closed:
        if low < start < high:
            yield low, start
        low = max(low, end)
    if low < high:
        yield low, high
