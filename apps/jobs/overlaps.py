"""What becomes of a plan where executions of the job are still live, by its overlap policy. Pure.

- skip     a tick is skipped while one waits or runs
- queue    ticks wait and run one after the other; at most MAX_WAITING wait
- allow    they run beside each other
- replace  the newest tick takes the place of whatever of the schedule waits or runs

A job whose cool-off is over is half open: whatever its policy, one run is a probe, and nothing runs beside it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import IntEnum

from apps.executions.states import SkipReason
from apps.jobs.planning import Plan, only_first, without_overlap
from apps.jobs.rows import DueGroup
from apps.jobs.states import Overlap

MAX_WAITING = 100
_FULL = f"{MAX_WAITING} runs of this job wait already."
_PROBE = "After its cool-off the job runs once before anything else does."


class Asks(IntEnum):
    """What `hold_cursors.sql` counts of each job: nothing, whether anything is live, or how many ticks wait."""

    NOTHING = 0
    LIVE = 1
    WAITING = 2


def is_cooling(group: DueGroup, now: datetime) -> bool:
    return group.cool_off_until is not None and group.cool_off_until > now


def is_half_open(group: DueGroup, now: datetime) -> bool:
    return group.cool_off_until is not None and group.cool_off_until <= now


def asks_of(group: DueGroup, plan: Plan, now: datetime) -> Asks:
    """What has to be known of each job before its plan is certain."""
    if not plan.fires:
        return Asks.NOTHING
    if is_half_open(group, now) or group.overlap == Overlap.SKIP:
        return Asks.LIVE
    return Asks.WAITING if group.overlap == Overlap.QUEUE else Asks.NOTHING


def decided(group: DueGroup, plan: Plan, now: datetime, *, taken: int) -> Plan:
    """The plan of those jobs of the group that have `taken` executions in the way, as `asks_of` has them counted."""
    if is_half_open(group, now):
        probe = only_first(plan, 1, SkipReason.COOL_OFF, _PROBE)
        return only_first(probe, 0, SkipReason.OVERLAP) if taken else probe
    match group.overlap:
        case Overlap.SKIP:
            return without_overlap(plan, group.overlap, live=taken > 0)
        case Overlap.QUEUE:
            return only_first(plan, max(MAX_WAITING - taken, 0), SkipReason.OVERLAP, _FULL)
        case Overlap.REPLACE if len(plan.fires) > 1:
            *older, newest = plan.fires
            turned = replace(plan, fires=(newest, *older))
            return only_first(turned, 1, SkipReason.OVERLAP, replaced_by(newest.tick))
    return plan


def replaces(group: DueGroup, plan: Plan, now: datetime) -> bool:
    """Whether these jobs' live runs have to make way."""
    return group.overlap == Overlap.REPLACE and bool(plan.fires) and not is_half_open(group, now)


def replaced_by(tick: datetime) -> str:
    """Of a run that made way: why it ended, or never was."""
    return f"Replaced by the run of {tick:%Y-%m-%d %H:%M:%S} UTC."
