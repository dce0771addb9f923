"""What an execution that waits is waiting for."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Min, Q

from apps.executions.models import Execution
from apps.executions.states import State

MANY = 10_000  # of those before it; nobody counts further
_AHEAD = """
SELECT count(*)
FROM (
    SELECT FROM executions_execution
    WHERE tenant_id = %(tenant_id)s AND state = 'pending' AND rank IS NOT NULL
      AND (rank < %(rank)s OR (rank = %(rank)s AND (priority > %(priority)s
           OR (priority = %(priority)s AND id < %(id)s))))
    LIMIT %(many)s
) AS ahead
"""


class Place(NamedTuple):
    """How many runs of its tenant and of its job are under way, for which time the earliest of these is, and how many
    of its tenant's runs come before it (None: it has no place in the queue yet; MANY: so many or more).
    """

    running: int
    of_job: int
    earliest: datetime | None
    ahead: int | None


def place_of(execution: Execution) -> Place:
    """Two queries."""
    of_job = Q(job_id=execution.job_id)
    found = Execution.objects.filter(tenant_id=execution.tenant_id, state=State.LEASED).aggregate(
        running=Count("id"),
        of_job=Count("id", filter=of_job),
        earliest=Min("scheduled_for", filter=of_job),
    )
    return Place(found["running"], found["of_job"], found["earliest"], _ahead(execution))


def _ahead(execution: Execution) -> int | None:
    if execution.rank is None:
        return None
    params = {
        "tenant_id": execution.tenant_id,
        "rank": execution.rank,
        "priority": execution.priority,
        "id": execution.pk,
        "many": MANY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD, params)
        return int(cursor.fetchone()[0])
