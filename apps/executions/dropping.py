"""Old partitions, dropped whole, without a writer that waits for more than a moment.

The default partition rules out DETACH CONCURRENTLY, and a plain drop waits for every reader of the table with every
writer behind it. So a partition's rows go first, for which it alone is locked, and their counts with them, taken from
the counters and not counted. The empty table is dropped when its parent can be had within milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg

from apps.executions import retirement
from apps.executions.retirement import OldPartition, read
from apps.leadership.session import LeaderSession

logger = logging.getLogger(__name__)

# How long completions may have to wait that come behind us while we wait for their table.
LOCK_TIMEOUT = "30ms"


def drop_old_partitions(session: LeaderSession) -> Iterator[dict[str, int]]:
    """One transaction a step, saying what it did. Ends when all are dropped, or one cannot be."""
    while old := read(session, retirement.old_partitions())[:1]:
        try:
            emptied = _empty(session, old[0])
            yield emptied
            if "retention_waits" in emptied:
                return
            with session.transaction() as cursor:
                retirement.drop_partition(cursor, old[0], lock_timeout=LOCK_TIMEOUT)
        except psycopg.errors.LockNotAvailable:
            logger.info("%s is in use and is dropped later", old[0].partition)
            yield {"retention_blocked": 1}
            return
        logger.info("dropped %s", old[0].partition)
        yield {"partitions_dropped": 1}


def _empty(session: LeaderSession, old: OldPartition) -> dict[str, int]:
    """Not while what was finished there waits to be folded (`retention_waits`)."""
    with session.transaction() as cursor:
        retirement.lock_partition(cursor, old.partition, lock_timeout=LOCK_TIMEOUT)
        retired = 0
        if old.is_counted:
            waits, retired = retirement.retire_cells(begins=old.begins, ends=old.ends).on(cursor)
            if waits:
                return {"retention_waits": 1}
        retirement.truncate_partition(cursor, old.partition)
    return {"executions_retired": retired}
