"""What is due of a job, cut where its treatment changes: at a blackout's ends, and where a tick is no longer late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.jobs.plans import Blackout, Policy
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import Ticks, occurrences, ticks_between

_INSTANT = timedelta(microseconds=1)  # the resolution of both clocks


class Section(NamedTuple):
    """[low, high] of what is due, where every tick is treated alike: in a blackout, late, or on time.

    The first section begins with the cursor's own tick, which counts even where the rule no longer names it.
    """

    low: datetime
    high: datetime
    late: bool
    blackout: Blackout | None = None
    first: bool = False

    @property
    def on_time(self) -> bool:
        return not self.late and self.blackout is None

    def ticks(self, rule: Rule, limit: int, tail: int) -> Ticks:
        if not self.first:
            return ticks_between(rule, after=self.low - _INSTANT, until=self.high, limit=limit, tail=tail)
        span = ticks_between(rule, after=self.low, until=self.high, limit=limit - 1, tail=tail)
        kept = (self.low, *span.tail)[-tail:]
        return Ticks(span.count + 1, self.low, span.last or self.low, kept, span.truncated)

    def earliest(self, rule: Rule, limit: int) -> list[datetime]:
        if not self.first:
            return occurrences(rule, after=self.low - _INSTANT, until=self.high, limit=limit)
        return [self.low, *occurrences(rule, after=self.low, until=self.high, limit=limit - 1)]


def sections_of(policy: Policy, due: datetime, on_time_from: datetime, now: datetime) -> Iterator[Section]:
    """The sections of [due, now], in order, without gaps."""
    low = due
    for blackout in policy.blackouts:
        if blackout.end <= low:
            continue
        if blackout.start > now:
            break
        yield from _open(low, blackout.start - _INSTANT, on_time_from, due)
        low = max(low, blackout.start)
        yield Section(low, min(blackout.end - _INSTANT, now), False, blackout, first=low == due)
        low = blackout.end
    yield from _open(low, now, on_time_from, due)


def _open(low: datetime, high: datetime, on_time_from: datetime, due: datetime) -> Iterator[Section]:
    if low <= (late_until := min(high, on_time_from - _INSTANT)):
        yield Section(low, late_until, True, first=low == due)
        low = on_time_from
    if low <= high:
        yield Section(low, high, False, first=low == due)
