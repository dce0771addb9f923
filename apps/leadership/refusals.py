"""The record of writes that were refused because their writer's time was over. What cannot be recorded at once is in
the log alone.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import psycopg

from apps.leadership.statements import statement
from apps.tenants import machine

logger = logging.getLogger(__name__)
_PATIENCE = {"statement_timeout": "2s", "lock_timeout": "1s"}


def record_late_leader(*, replica: str, epoch: int, term_id: UUID) -> None:
    """A transaction of that term failed. Recorded if the term is over, on a session of its own."""
    params = {"replica": replica[:200], "epoch": epoch, "term_id": term_id}
    try:
        with machine.connect(
            application_name="scheduler refusal", leader=True, session_settings=_PATIENCE
        ) as session:
            session.execute(statement("record_late_leader"), params)
    except psycopg.Error as error:
        logger.warning("a refused write of epoch %s is not on record: %s", epoch, error)


async def record_late_worker(
    session: psycopg.AsyncConnection[Any], *, worker: str, stale: int, duplicates: int
) -> None:
    """On the session that was refused, in autocommit. Raises what a broken session raises."""
    params = {"worker": worker[:200], "stale": stale, "duplicates": duplicates}
    await session.execute(statement("record_late_worker"), params)
