"""A statement with its parameters and the reading of its rows, to be sent by whichever kind of session is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import psycopg

from apps.executions.sql import statement

Result = TypeVar("Result")
Rows = Sequence[tuple[Any, ...]]


class Executes(Protocol):
    """What psycopg's cursors and Django's have in common."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """`name` is that of a file in `sql/`; `read` makes the result of all its rows."""

    name: str
    params: dict[str, Any]
    read: Callable[[Rows], Result]

    def on(self, cursor: Executes) -> Result:
        """Run on a psycopg cursor or one of Django's, in whatever transaction it is in."""
        cursor.execute(statement(self.name), self.params)
        return self.read(cursor.fetchall())

    async def on_async(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> Result:
        """Run prepared: planning one of these takes longer than running it."""
        cursor = await connection.execute(statement(self.name), self.params, prepare=True)
        return self.read(await cursor.fetchall())
