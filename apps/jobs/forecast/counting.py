"""From groups of jobs with one schedule to a curve. Pure.

The times of a cron rule are walked once, whoever has it. Intervals are not walked by job (`progressions`). Both are
bounded; groups with the most jobs come first, and `left_out` counts the jobs that there was no room for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.jobs.calendars.entries import reaching
from apps.jobs.forecast.curve import Curve
from apps.jobs.forecast.progressions import Progressions, Span, outside
from apps.jobs.jitter import fraction
from apps.jobs.plans import Blackout
from apps.jobs.recurrence.rules import BareRule, IntervalRule, Rule, Within, bare
from apps.jobs.recurrence.times import ticks_after

MOST_WALKED = 60_000  # times of cron rules: some ten microseconds each
_RULE = 8  # what a rule costs beside its times, as so many of them
_LOOK = 10  # times that are looked at once more cost a tenth
_INSTANT, _SECOND, _MINUTE = timedelta(microseconds=1), 1_000_000, 60
_EVER = 2**62
Times = Sequence[tuple[int, int | None]]  # an instant and how much later the next one is, in microseconds


@dataclass(frozen=True, slots=True)
class Group:
    """`n` jobs with one schedule; `job_ids` where they have jitter, which is different for each.

    Times before `not_before` have an outcome already, or will not run.
    """

    rule: Rule
    n: int
    job_ids: tuple[int, ...] = ()
    jitter_seconds: int = 0
    not_before: datetime | None = None
    blackouts: tuple[Blackout, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """The runs of `jobs` jobs that start in the minutes from `start` on. `left_out` jobs were not looked at."""

    start: datetime
    curve: Curve
    jobs: int
    left_out: int


def forecast_of(
    groups: Iterable[Group], *, start: datetime, minutes: int, most_walked: int = MOST_WALKED
) -> Forecast:
    """What starts in so many minutes (an hour's at least) from `start` on, which is a full minute."""
    ordered = sorted(groups, key=lambda group: -group.n)
    counting = _Counting(start, minutes, most_walked)
    for group in ordered:
        counting.look_back(group)
    jobs = left_out = 0
    for group in ordered:
        try:
            looked_at = counting.add(group)
        except ValueError:  # ScheduleError is one: nobody knows when these run
            looked_at = False
        jobs += group.n * looked_at
        left_out += group.n * (not looked_at)
    counting.progressions.lay_out()
    return Forecast(start, counting.curve, jobs, left_out)


class _Counting:
    """Instants are microseconds after `start` in here."""

    def __init__(self, start: datetime, minutes: int, most_walked: int) -> None:
        self.start, self.curve, self.progressions = start, Curve(minutes), Progressions()
        self._length = minutes * _MINUTE * _SECOND
        self._left = most_walked
        self._earliest: dict[BareRule, datetime] = {}
        self._times: dict[BareRule, Times] = {}
        self._sorted: tuple[tuple[int, ...], float, list[float]] | None = None

    def look_back(self, group: Group) -> None:
        """A run may start in here whose time is earlier by as much as the jitter; each rule is walked from there on."""
        rule, since = bare(group.rule), self.start - timedelta(seconds=group.jitter_seconds)
        self._earliest[rule] = min(since, self._earliest.get(rule, since))

    def add(self, group: Group) -> bool:
        """Whether there was room for it. Raises ScheduleError, ValueError."""
        rule = bare(group.rule)
        window = group.rule if isinstance(group.rule, Within) else None
        bounds = (None if window is None else window.start, group.not_before)
        low = max(-_EVER if bound is None else self._at(bound) for bound in bounds)
        high = _EVER if window is None or window.end is None else self._at(window.end) + 1
        closed = self._closed(group)
        if isinstance(rule, IntervalRule):
            return self._intervals(group, rule, low, high, closed)
        times = self._times_of(rule)
        if times is None:
            return False
        for instant, gap in times:
            if low <= instant < high and not _is_in(instant, closed):
                self._run(group, instant, None if gap is None or instant + gap >= high else gap)
        self._left -= len(times) // _LOOK
        return True

    def _at(self, instant: datetime) -> int:
        return (instant - self.start) // _INSTANT

    def _closed(self, group: Group) -> list[Span]:
        since = self.start - timedelta(seconds=group.jitter_seconds)
        until = self.start + timedelta(microseconds=self._length)
        return [(self._at(one.start), self._at(one.end)) for one in reaching(group.blackouts, since, until)]

    def _times_of(self, rule: BareRule) -> Times | None:
        """Its times until the end, each with the gap after it; None where there is no room, were it to look again."""
        if self._left <= 0:
            return None
        if rule not in self._times:
            instants, following = [], None
            for tick in ticks_after(rule, self._earliest[rule] - _INSTANT):
                following = self._at(tick)
                if following >= self._length:
                    break
                instants.append(following)
                following = None
            ends = [*instants, following]
            self._times[rule] = [
                (instant, None if later is None else later - instant)
                for instant, later in zip(instants, ends[1:], strict=True)
            ]
            self._left -= len(instants) + _RULE
        return self._times[rule]

    def _run(self, group: Group, instant: int, gap: int | None) -> None:
        """One time of the group's schedule."""
        lane = self.curve.lane(None if gap is None else gap / _SECOND, group.jitter_seconds)
        second = instant // _SECOND
        if not group.jitter_seconds:
            if 0 <= instant < self._length:
                lane.starts[second // _MINUTE] += group.n
                lane.tick(second, group.n)
            return
        spread = group.jitter_seconds if gap is None else min(group.jitter_seconds, gap / _SECOND)
        delays = self._delays(group, spread)
        at = instant / _SECOND
        first = max(int(at // _MINUTE), 0)
        low = started = bisect_left(delays, first * _MINUTE - at)
        for minute in range(first, min(int((at + spread) // _MINUTE) + 1, self.curve.minutes)):
            high = bisect_left(delays, (minute + 1) * _MINUTE - at)
            lane.starts[minute] += high - low
            low = high
        lane.tick(second, low - started)
        self._left -= int(spread) // (_LOOK * _MINUTE)

    def _delays(self, group: Group, spread: float) -> list[float]:
        """Those of the group's jobs, in order. The last ones are kept: most times of a rule are equally far apart."""
        if self._sorted is None or self._sorted[:2] != (group.job_ids, spread):
            found = sorted(spread * fraction(job_id) for job_id in group.job_ids)
            self._sorted = group.job_ids, spread, found
        return self._sorted[2]

    def _intervals(
        self, group: Group, rule: IntervalRule, low: int, high: int, closed: Sequence[Span]
    ) -> bool:
        if not self.progressions.has_room():
            return False
        anchor, step = self._at(rule.anchor), rule.seconds * _SECOND
        low = max(low, anchor)
        if high < _EVER:
            # After the last one there is none that jitter has to stay before.
            last = anchor + (high - 1 - anchor) // step * step
            if low <= last < self._length and not _is_in(last, closed):
                self._run(group, last, None)
            high = last
        lane = self.curve.lane(rule.seconds, group.jitter_seconds)
        spread = min(group.jitter_seconds, rule.seconds)
        delays = [(0, group.n)]
        if spread:
            delays = [(round(spread * fraction(job_id) * _SECOND), 1) for job_id in group.job_ids]
        for delay, n in delays:
            for since, until in outside(max(low, -delay), min(high, self._length - delay), closed):
                first = since + (anchor - since) % step
                if first < until:
                    count = (until - 1 - first) // step + 1
                    self.progressions.add(lane, first, delay, rule.seconds, count, n)
        return True


def _is_in(instant: int, closed: Sequence[Span]) -> bool:
    return any(start <= instant < end for start, end in closed)
