"""What one process at a time does, for as long as its session lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from apps.leadership.locks import CLASS, Lock


@contextmanager
def alone(lock: Lock) -> Iterator[bool]:
    """Whether this session holds `lock`. Not the lock of a transaction: one that lasts over every tenant's repair would
    keep vacuum waiting. If the session breaks, the lock goes to another process: the deed must bear being done twice.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [CLASS, lock])
        held: bool = cursor.fetchone()[0]
    try:
        yield held
    finally:
        if held and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS, lock])
