"""What moves when jobs, their switches or their cursors' conditions change, read in one statement: it is asked for each
second.

A cursor's condition has no time of change. It is moved by the notes that completions leave, so a note that waits and
one that is gone are a move each; by people, who change the job in the same transaction; and by a cool-off or a
quarantine, which are among what needs somebody.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connection

from apps.jobs.statements import sql
from apps.jobs.states import ENDPOINT_GONE, FAILING_IN_A_ROW
from apps.tenants.identity import UserForms

MOST_ATTENTION = 100
_LOOKED_AT = 2_000  # of the tenant's jobs that need somebody: beyond them, one more or less is no move
_LATEST = 50  # of edits and skips: more than commit out of order


class JobPulse(NamedTuple):
    """`attention` counts the jobs that need somebody, to MOST_ATTENTION; `moves` differs once a job has changed."""

    attention: int
    moves: tuple[int | None, ...]


def job_pulse(*, tenant_id: int, user: UserForms | None) -> JobPulse:
    """Of the tenant's jobs, or of one user's."""
    params: dict[str, Any] = {
        "tenant_id": tenant_id,
        "everybody": user is None,
        "strings": user.strings if user else [],
        "integers": user.integers if user else [],
        "in_a_row": FAILING_IN_A_ROW,
        "gone": ENDPOINT_GONE,
        "looked_at": _LOOKED_AT,
        "latest": _LATEST,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql("read_pulse"), params)
        needy, *moves = cursor.fetchone()
    return JobPulse(min(needy, MOST_ATTENTION), (needy, *moves))
