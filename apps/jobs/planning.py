"""What becomes of a job's due ticks. Pure: a rule, the cursor's tick and `now` in; executions and skips out.

Every tick from the cursor's up to `now` is in exactly one place of the plan: among the `fires`, within one of the
`skips`, or at or after the plan's own `next_run_at`, where the next step goes on.

What decides, in this order: whether the job is barred, its calendar's blackouts, how late a tick is. Overlap comes last
and looks at what would run (`without_overlap`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from apps.executions.states import SkipReason
from apps.jobs.plans import MAX_FIRES, Barred, Blackout, Fire, Plan, Policy, SkipRange
from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import Ticks, next_after, ticks_between
from apps.jobs.sections import Section, sections_of
from apps.jobs.states import Misfire, Overlap

__all__ = [
    "MAX_FIRES",
    "MAX_TICKS",
    "Barred",
    "Blackout",
    "Fire",
    "Plan",
    "Policy",
    "SkipRange",
    "only_first",
    "plan_ticks",
    "without_overlap",
]

# What one step accounts for of one job, beside MAX_FIRES. More than that waits for the next step, which runs at once: a
# job that missed a month does not hold up the others, and never wedges.
MAX_TICKS = 10_000


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
    if policy.barred is not None:
        return _skip_all(rule, due, now, policy.barred)
    on_time_from = now - timedelta(seconds=policy.grace_seconds)
    if due >= on_time_from and not policy.blackouts:
        following = next_after(rule, due)
        if following is None or following > now:  # nearly always
            fires = (Fire(due, due),)
            return Plan(fires, (), due, following, spread=_spread(policy, fires, following))
    return _by_sections(rule, policy, list(sections_of(policy, due, on_time_from, now)), now)


def without_overlap(plan: Plan, overlap: str, *, live: bool) -> Plan:
    """The plan of a job with that overlap policy; `live`: an execution of it is waiting or running.

    Ticks dispatched together overlap too: the first runs, and is live by the time the others would be dispatched. What
    fire_all catches up on is not dropped, which would undo what it was asked for.
    """
    if overlap != Overlap.SKIP or not plan.fires:
        return plan
    kept = sum(1 for fire in plan.fires if fire.catch_up) or (0 if live else 1)
    return only_first(plan, kept, SkipReason.OVERLAP)


def only_first(plan: Plan, kept: int, reason: SkipReason, detail: str = "") -> Plan:
    """The plan with its first `kept` fires; the others become skips, apart where a skip lies between them."""
    dropped = [fire.tick for fire in plan.fires[kept:]]
    if not dropped:
        return plan
    skips = [*plan.skips]
    start = 0
    for end in range(1, len(dropped) + 1):
        if end == len(dropped) or any(dropped[end - 1] < skip.first < dropped[end] for skip in plan.skips):
            skips.append(SkipRange(dropped[start], dropped[end - 1], end - start, reason, detail))
            start = end
    ordered = tuple(sorted(skips, key=lambda skip: skip.first))
    return replace(plan, fires=plan.fires[:kept], skips=ordered)


def _skip_all(rule: Rule, due: datetime, now: datetime, barred: Barred) -> Plan:
    span = ticks_between(rule, after=due, until=now, limit=MAX_TICKS - 1)
    last = span.last or due
    skip = SkipRange(due, last, span.count + 1, barred.reason, barred.detail)
    return Plan((), (skip,), last, next_after(rule, last), again=span.truncated)


def _by_sections(rule: Rule, policy: Policy, sections: Sequence[Section], now: datetime) -> Plan:
    fires: list[Fire] = []
    skips: list[SkipRange] = []
    accounted, budget = sections[0].low, MAX_TICKS
    for section, runs in zip(sections, _running(rule, policy, sections), strict=True):
        if section.on_time:
            fires += [Fire(tick, tick) for tick in section.earliest(rule, MAX_FIRES - len(fires))]
            accounted = max(accounted, fires[-1].tick) if fires else accounted
            if len(fires) >= MAX_FIRES:
                break
            continue
        span = section.ticks(rule, budget, policy.catches_up + 1)
        budget = max(budget - span.count, 0)
        if span.truncated and section.late:
            # At least one more is late: of those found here only so many can still be among the latest. Their turn is
            # the next step's, which knows.
            runs = policy.catches_up - 1
        saved = min(max(runs, 0), span.count)
        if skipped := span.count - saved:
            skip = _skip(section, policy, span, skipped)
            _add(skips, skip, accounted)
            accounted = skip.last
        if span.truncated:
            break
        late = span.tail[len(span.tail) - saved :]
        fires += _late(policy, late, now, len(fires))
        accounted = late[-1] if late else accounted
    following = next_after(rule, accounted)
    again = following is not None and following <= now
    return Plan(tuple(fires), tuple(skips), accounted, following, again, _spread(policy, fires, following))


def _running(rule: Rule, policy: Policy, sections: Sequence[Section]) -> list[int]:
    """For each section how many of its ticks, the latest, may be late and run all the same."""
    running = [0] * len(sections)
    left = policy.catches_up
    if policy.misfire == Misfire.FIRE_ONCE and any(
        section.on_time and section.earliest(rule, 1) for section in sections
    ):
        return running
    for index in reversed(range(len(sections))):
        if left and sections[index].late:
            running[index] = left
            left -= len(sections[index].earliest(rule, left))
    return running


def _late(policy: Policy, ticks: Sequence[datetime], now: datetime, before: int) -> list[Fire]:
    """Late ticks that run: the one of fire_once at once, those of fire_all in turn, after `before` others."""
    if policy.misfire != Misfire.FIRE_ALL:
        return [Fire(tick, tick) for tick in ticks]
    pace = timedelta(seconds=policy.pace_seconds)
    return [Fire(tick, now + pace * place, catch_up=True) for place, tick in enumerate(ticks, before)]


def _skip(section: Section, policy: Policy, span: Ticks, count: int) -> SkipRange:
    """The first `count` ticks of `span`."""
    first, last = span.first, span.tail[count - span.count - 1]
    assert first is not None  # noqa: S101 - a span with ticks has a first
    if section.blackout is not None:
        return SkipRange(first, last, count, SkipReason.WINDOW, section.blackout.detail)
    all_of = policy.misfire == Misfire.FIRE_ALL
    detail = (
        f"Of the times that were missed, the latest {policy.catches_up:,} are made up for." if all_of else ""
    )
    return SkipRange(first, last, count, SkipReason.MISFIRE, detail)


def _add(skips: list[SkipRange], skip: SkipRange, accounted: datetime) -> None:
    """Append `skip`, or lengthen the last one where it says the same and nothing lies between them."""
    last = skips[-1] if skips else None
    if last is not None and (last.last, last.reason, last.detail) == (accounted, skip.reason, skip.detail):
        skips[-1] = replace(last, last=skip.last, count=last.count + skip.count)
    else:
        skips.append(skip)


def _spread(policy: Policy, fires: Sequence[Fire], following: datetime | None) -> float:
    """The jitter, but never as much as to the next tick; of several that go out together, by their smallest gap."""
    if not policy.jitter_seconds or not fires:
        return 0.0
    ticks = [fire.tick for fire in fires]
    ends = ticks if following is None else [*ticks, following]
    gaps = ((later - earlier).total_seconds() for earlier, later in pairwise(ends))
    return min([float(policy.jitter_seconds), *gaps])
