"""Partitions for days long past: by the month where the whole month is past and none of its days has one of its own.

Each table's are made in a transaction of their own, so that no two tables are ever locked at once. Attaching locks the
default partition against readers and, for as long as it waits for one, makes others wait behind it; hence the
lock timeout, and the patience.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from apps.executions.sql import statement

TABLES = ("executions_attempt", "executions_executionlog", "executions_executionoutput")
LOCK_TIMEOUT = "1s"
ATTEMPTS = 60


def ensure_partitions(days: Iterable[date]) -> int:
    """Make what is missing for these days (UTC); how many partitions. Not in a transaction of the caller's."""
    wanted = sorted(days)
    return sum(_ensure(table, wanted) for table in TABLES) if wanted else 0


def _ensure(table: str, days: list[date]) -> int:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                cursor.execute(statement("create_history_partitions"), {"table": table, "days": days})
                return int(cursor.fetchone()[0])
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or attempt == ATTEMPTS:
                raise
            time.sleep(1)  # let those pass who waited behind us
    raise AssertionError("unreachable")
