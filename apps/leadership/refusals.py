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
_BRIEFLY = "SET LOCAL lock_timeout = '100ms'"  # the worker's own writes must not wait behind a record


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
    """Ends of runs whose leases had gone, and of ticks that had ended before; on the session that was refused."""
    params = _params(worker, stale=stale, duplicates=duplicates)
    try:
        async with session.transaction():
            await session.execute(_BRIEFLY)
            await session.execute(statement("record_late_worker"), params)
    except psycopg.Error as error:  # a session that is gone says so to its next user
        _not_on_record(worker, error)


def record_late_renewals(session: psycopg.Connection[Any], *, worker: str, renewals: int) -> None:
    """Renewals of leases that had been taken back; on the session that was refused."""
    params = _params(worker, renewals=renewals)
    try:
        with session.transaction():
            session.execute(_BRIEFLY)
            session.execute(statement("record_late_worker"), params)
    except psycopg.Error as error:
        _not_on_record(worker, error)


def _params(worker: str, *, stale: int = 0, duplicates: int = 0, renewals: int = 0) -> dict[str, Any]:
    return {"worker": worker[:200], "stale": stale, "duplicates": duplicates, "renewals": renewals}


def _not_on_record(worker: str, error: psycopg.Error) -> None:
    logger.warning("refused writes of worker %s are not on record: %s", worker, error)
