"""What becomes of a job's due ticks. Pure: a rule, the cursor's tick and `now` in; executions and skips out.

Every tick from the cursor's up to `now` is in exactly one place of the plan: among the `fires`, within one of the
`skips`, or at or after the plan's own `next_run_at`, where the next step goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.executions.states import SkipReason
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import next_after, occurrences, ticks_between
from apps.jobs.states import Misfire, Overlap

# What one step accounts for of one job. More than that waits for the next step, which runs at once: a job that missed a
# month does not hold up the others, and never wedges.
MAX_TICKS = 10_000
MAX_FIRES = 1_000
_INSTANT = timedelta(microseconds=1)  # the resolution of both clocks


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
    """What to write for one job. `accounted` is the last tick with an outcome, `next_run_at` the first without."""

    fires: tuple[datetime, ...]
    skips: tuple[SkipRange, ...]
    accounted: datetime
    next_run_at: datetime | None
    again: bool = False  # ticks are left that are due already

    @property
    def skipped(self) -> int:
        return sum(skip.count for skip in self.skips)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a job wants its late and its simultaneous ticks treated. `grace_seconds` late is still on time.

    `barred` says why the job may not run at all for now; its ticks become one range of skips.
    """

    misfire: str = Misfire.FIRE_ONCE
    grace_seconds: int = 15
    barred: str = ""


def plan_ticks(
    rule: Rule, policy: Policy, *, due: datetime, accounted: datetime | None, now: datetime
) -> Plan:
    """Account for the ticks of `rule` from `due`, which is one, to `now`.

    `accounted` is the last tick known to have an outcome. A cursor at or before it was set back by someone, and is
    taken past it without a second outcome. Raises ScheduleError or ValueError for a rule that cannot be worked out.
    """
    if accounted is not None and due <= accounted:
        following = next_after(rule, accounted)
        return Plan((), (), accounted, following, again=following is not None and following <= now)
    if policy.barred:
        return _skip_all(rule, due, now, policy.barred)
    on_time_from = now - timedelta(seconds=policy.grace_seconds)
    if due >= on_time_from:
        return _fire_each(rule, [due], now, ())
    return _misfire(rule, policy, due, on_time_from, now)


def without_overlap(plan: Plan, overlap: str, *, live: bool) -> Plan:
    """The plan of a job with that overlap policy; `live`: an execution of it is waiting or running.

    Ticks dispatched together overlap too: the first runs, and is live by the time the others would be dispatched.
    """
    if overlap != Overlap.SKIP:
        return plan
    fires = () if live else plan.fires[:1]
    dropped = plan.fires[len(fires) :]
    if not dropped:
        return plan
    overlapped = SkipRange(dropped[0], dropped[-1], len(dropped), SkipReason.OVERLAP)
    return replace(plan, fires=fires, skips=(*plan.skips, overlapped))


def _skip_all(rule: Rule, due: datetime, now: datetime, barred: str) -> Plan:
    span = ticks_between(rule, after=due, until=now, limit=MAX_TICKS - 1)
    last = span.last or due
    skip = SkipRange(due, last, span.count + 1, SkipReason.PAUSED, barred)
    return Plan((), (skip,), last, next_after(rule, last), again=span.truncated)


def _misfire(rule: Rule, policy: Policy, due: datetime, on_time_from: datetime, now: datetime) -> Plan:
    """`due` is too late, and perhaps later ticks are as well: one range, from which fire_once may save the latest."""
    span = ticks_between(rule, after=due, until=on_time_from - _INSTANT, limit=MAX_TICKS - 1, tail=2)
    ticks = (due, *span.tail)
    last, count = ticks[-1], span.count + 1
    if span.truncated:
        missed = SkipRange(due, last, count, SkipReason.MISFIRE)
        return Plan((), (missed,), last, next_after(rule, last), again=True)
    following = next_after(rule, last)
    on_time = following is not None and following <= now
    if on_time or policy.misfire == Misfire.SKIP:
        missed = SkipRange(due, last, count, SkipReason.MISFIRE)
        if on_time and following is not None:
            return _fire_each(rule, [following], now, (missed,))
        return Plan((), (missed,), last, following)
    older = (SkipRange(due, ticks[-2], count - 1, SkipReason.MISFIRE),) if count > 1 else ()
    return Plan((last,), older, last, following)


def _fire_each(rule: Rule, ticks: list[datetime], now: datetime, skips: tuple[SkipRange, ...]) -> Plan:
    """`ticks` holds the first that is on time."""
    following = next_after(rule, ticks[0])
    if following is not None and following <= now:
        ticks = ticks + occurrences(rule, after=ticks[0], until=now, limit=MAX_FIRES - 1)
        following = next_after(rule, ticks[-1])
    left = following is not None and following <= now
    return Plan(tuple(ticks), skips, ticks[-1], following, again=left)
