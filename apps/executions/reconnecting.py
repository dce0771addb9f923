"""A worker's asyncio sessions: made anew, with growing pauses, whenever the server goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg

from apps.executions.queue import PINNED_PLANS
from apps.tenants import machine

logger = logging.getLogger(__name__)
Session = psycopg.AsyncConnection[tuple[Any, ...]]
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
# The server is away, or (in a failover) the address leads to one that may not write. Neither is the fault of a row.
AWAY = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)


async def keep_connected(
    application_name: str, use: Callable[[Session], Awaitable[None]], given_up: asyncio.Event
) -> None:
    """Call `use` with a session until it returns; with a new one when it raises `psycopg.OperationalError`.

    Ends as well when `given_up` is set while there is no server.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            session = await machine.connect_async(
                application_name=application_name, session_settings=PINNED_PLANS
            )
            try:
                await _refuse_read_only(session)
                pause = FIRST_PAUSE
                await use(session)
                return
            finally:
                await session.close()
        except AWAY as error:
            logger.warning("%s: the database session ended: %s", application_name, str(error).strip())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await given_up.wait()
                return
        pause = min(pause * 2, LONGEST_PAUSE)


async def _refuse_read_only(session: Session) -> None:
    cursor = await session.execute(
        "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"
    )
    row = await cursor.fetchone()
    if row is None or row[0]:
        raise psycopg.OperationalError("the server may not write")
