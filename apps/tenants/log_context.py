"""Whose work a process is at, for its log lines: numbers alone, never a name. A task of asyncio has its own."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class LogContext(NamedTuple):
    """None: of no tenant, of no execution."""

    tenant_id: int | None = None
    execution_id: int | None = None


_current: ContextVar[LogContext] = ContextVar("log_context", default=LogContext())  # noqa: B039 - immutable


def log_context() -> LogContext:
    return _current.get()


def log_about(tenant_id: int | None = None, execution_id: int | None = None) -> None:
    """From here on, in this task or thread. Without arguments: of nobody."""
    _current.set(LogContext(tenant_id, execution_id))
