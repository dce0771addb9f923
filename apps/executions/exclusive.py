"""A statement that sessions run one after the other, and the reading of what it did when it has committed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import sql

from apps.executions.call import Rows
from apps.executions.sql import statement
from apps.leadership.locks import CLASS, Lock

Result = TypeVar("Result")
AnyConnection = psycopg.Connection[tuple[Any, ...]] | psycopg.AsyncConnection[tuple[Any, ...]]
_PARAMETER = re.compile(r"%\((\w+)\)[sb]")
_prepared: WeakSet[AnyConnection] = WeakSet()


@dataclass(frozen=True, slots=True)
class Exclusive(Generic[Result]):
    """`name` runs under `lock`; `then` is read after the commit; `read` makes the result of the rows of both.

    All of it is one message to the server: taking the lock, the statement (its snapshot from when the lock is held),
    the commit, and the reading. So a client that stops at whatever moment, before, within or after, never holds the
    lock, and the rest costs no round trip. Such a message has no parameters, so both statements are prepared in SQL,
    and their parameters are literals.

    The session must be in no transaction, and run nothing after which psycopg forgets what was prepared: no DROP, no
    ALTER, no ROLLBACK.
    """

    name: str
    then: str
    lock: Lock
    params: dict[str, Any]
    read: Callable[[Rows, Rows], Result]

    def on(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> Result:
        """Run on a psycopg cursor that is in no transaction."""
        if cursor.connection not in _prepared:
            cursor.execute(self._preparation(), prepare=False)
            _prepared.add(cursor.connection)
        cursor.execute(self.message(cursor.connection), prepare=False)
        results = []
        while cursor.nextset():
            results.append(cursor.fetchall() if cursor.description else [])
        return self.read(results[_STATEMENT], results[_READING])

    async def on_async(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> Result:
        """As `on`, on an asyncio session."""
        if connection not in _prepared:
            await connection.execute(self._preparation(), prepare=False)
            _prepared.add(connection)
        cursor = await connection.execute(self.message(connection), prepare=False)
        results = []
        while cursor.nextset():
            results.append(await cursor.fetchall() if cursor.description else [])
        return self.read(results[_STATEMENT], results[_READING])

    def _preparation(self) -> Any:
        return ";".join(f"PREPARE {name} AS {numbered(name)[0]}" for name in (self.name, self.then))

    def message(self, connection: AnyConnection) -> Any:
        """What is sent. Both statements must have been prepared."""
        return (
            f"BEGIN; SELECT pg_advisory_xact_lock({CLASS}, {self.lock});"
            f"{self._execution(self.name, connection)}; COMMIT; {self._execution(self.then, connection)}"
        )

    def _execution(self, name: str, connection: AnyConnection) -> str:
        literals = (sql.Literal(self.params[key]).as_string(connection) for key in numbered(name)[1])
        return f"EXECUTE {name} ({', '.join(literals)})"


# The results of a message after the first, BEGIN's.
_STATEMENT, _READING = 1, 3


@cache
def numbered(name: str) -> tuple[str, list[str]]:
    """A statement with numbers for its parameters, as PREPARE has them, and the parameters in that order."""
    keys = list(dict.fromkeys(_PARAMETER.findall(statement(name))))
    return _PARAMETER.sub(lambda match: f"${keys.index(match[1]) + 1}", statement(name)), keys
