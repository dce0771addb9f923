"""What each long-running process is made of, and what it refuses: the one place that knows every part."""

from __future__ import annotations

import logging
import time

from django.core.checks import Tags
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection

from apps.executions.counters import CounterFold
from apps.executions.partitions import PartitionKeeper
from apps.executions.reaper import Reaper
from apps.executions.retention import Retention
from apps.jobs.dispatch import Dispatcher
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.steps import Step

logger = logging.getLogger(__name__)


def leader_steps(*, once: bool = False) -> list[Step]:
    """The leader's work, the most urgent first: what is due must not wait for bookkeeping.

    But for the partitions, which it may need within the cycle, and which are nearly always there. `once`: for a leader
    of one check, which has no later to leave what is old to.
    """
    retention = Retention(rest=0) if once else Retention()
    return [PartitionKeeper(), Dispatcher(), OutcomeFold(), Reaper(), CounterFold(), retention]


def refuse_unsound_database(command: BaseCommand) -> None:
    """Run the checks of `scheduler_saas.checks`: tenants must be kept apart. Raises SystemCheckError."""
    try:
        command.check(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS])
    finally:
        connection.close()


def wait_for_sound_database(command: BaseCommand) -> None:
    """As `refuse_unsound_database`, once there is a server to ask: a process may start before its database."""
    pause = 0.1
    while True:
        try:
            return refuse_unsound_database(command)
        except OperationalError as error:
            logger.warning(
                "no database yet (%s); trying again in %.1f s", " ".join(str(error).split()), pause
            )
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
