"""What each long-running process is made of: the one place that knows every part."""

from __future__ import annotations

from apps.executions.counters import CounterFold
from apps.executions.partitions import PartitionKeeper
from apps.executions.reaper import Reaper
from apps.jobs.dispatch import Dispatcher
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.steps import Step


def leader_steps() -> list[Step]:
    """The leader's work, the most urgent first: what is due must not wait for bookkeeping."""
    return [Dispatcher(), OutcomeFold(), Reaper(), CounterFold(), PartitionKeeper()]
