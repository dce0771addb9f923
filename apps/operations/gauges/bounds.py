"""The statements, and how long one may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection, transaction

STATEMENT_SECONDS = 2.0


@contextmanager
def bounded() -> Iterator[Any]:
    """A cursor in a transaction, or a savepoint, in which no statement takes longer than STATEMENT_SECONDS."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        ((before,),) = cursor.fetchall()
        # To compile such a statement takes longer than to run it.
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true)",
            [f"{STATEMENT_SECONDS}s"],
        )
        yield cursor
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
