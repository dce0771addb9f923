"""Ending a job's cool-off by hand. It begins, and closes by a success, in the fold (`apply_outcomes.sql`).

While it lasts (`cool_off_until` is to come) ticks become skips, and what was dispatched before waits. Once it is over
the job is half open: it runs once, and the end of that run closes the cool-off or opens the next one.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from apps.executions.waiting import Waiting, release_waiting
from apps.jobs.models import Cursor, Job


def end_cool_off(job: Job, cursor: Cursor, *, now: datetime, forget: bool = False) -> datetime | None:
    """Half open from now on; until when the cool-off would have lasted, None when none did.

    Under the cursor's lock; the caller writes the cursor. Failures that ended before now and are told later do not
    open the next one. `forget`: what has failed is not what will run, so the next one is as short as the first.
    """
    until = cursor.cool_off_until
    if until is None:
        return None
    lasted = until > now
    if forget:
        cursor.cool_offs = 0
    if lasted or forget:
        cursor.cool_off_until = now
    if not lasted:
        return None
    with connection.cursor() as sql:
        release_waiting(sql, [Waiting(job.pk, until, job.misfire_pace_seconds)])
    return until
