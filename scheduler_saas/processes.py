"""What each long-running process is made of, and what it refuses: the one place that knows every part."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection

from apps.executions.counters import CounterFold
from apps.executions.partitions import PartitionKeeper
from apps.executions.reaper import Reaper
from apps.executions.retention import Retention
from apps.jobs.dispatch import Dispatcher
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.fitness import UnfitServer
from apps.leadership.steps import Step

logger = logging.getLogger(__name__)


def leader_steps(*, once: bool = False) -> list[Step]:
    """The leader's work, the most urgent first: what is due must not wait for bookkeeping.

    But for the partitions, which it may need within the cycle, and which are nearly always there. `once`: for a leader
    of one check, which has no later to leave what is old to.
    """
    retention = Retention(rest=0) if once else Retention()
    return [PartitionKeeper(), Dispatcher(), OutcomeFold(), Reaper(), CounterFold(), retention]


def take_direct_route() -> None:
    """In a scheduler's process Django, too, goes by LEADER_DATABASE_URL where one is set."""
    wrapper: Any = connection
    wrapper.direct_route = settings.LEADER_DATABASE_URL


def refuse_unsound_database(command: BaseCommand) -> None:
    """Run the checks of `scheduler_saas.checks`: tenants must be kept apart. Raises SystemCheckError, and CommandError
    where the way to the server is unfit."""
    try:
        command.check(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS])
    except UnfitServer as error:
        raise CommandError(f"The database cannot be used this way: {error}") from error
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
