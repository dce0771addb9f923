"""The scheduler's journal: what it did, for the tenants and for on-call.

Rows without a tenant are the scheduler's own: start, stop, interval_adjustment, and its check cycles (`cycle_journal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from psycopg.types.json import Jsonb

from apps.leadership.models import SchedulerEvent
from apps.leadership.statements import statement

_JSON = ("tasks_by_type", "event_data")


class Columns(TypedDict, total=False):
    """Columns of an event beside its type, tenant and epoch; what is left out is null, `event_date` is now."""

    event_date: Any
    check_cycle_number: int | None
    check_interval_minutes: float | None
    previous_interval_minutes: float | None
    new_interval_minutes: float | None
    tasks_found: int | None
    tasks_executed: int | None
    tasks_failed: int | None
    tasks_by_type: Mapping[str, int] | None
    check_duration_seconds: float | None
    active_strategies_count: int | None
    active_executions: int | None
    job_id: int | None
    job_type: str | None
    user_id: str | None
    legacy_user_id: int | None
    event_data: Mapping[str, Any] | None
    error_message: str | None


_NO_COLUMNS: dict[str, Any] = dict.fromkeys(Columns.__annotations__)


def event_insert(
    cursor: Any,
    *,
    event_type: str,
    tenant_id: int | None = None,
    epoch: int | None = None,
    **columns: Unpack[Columns],
) -> None:
    """Append one row, in the transaction of `cursor` (psycopg's or Django's).

    Raises ValueError for a type that is not one of `SchedulerEvent.Type`, TypeError for an unknown column.
    """
    if unknown := columns.keys() - _NO_COLUMNS.keys():
        raise TypeError(f"no such columns in the journal: {', '.join(sorted(unknown))}")
    row: dict[str, Any] = {**_NO_COLUMNS, **columns}
    for name in _JSON:
        if row[name] is not None:
            row[name] = Jsonb(dict(row[name]))
    row |= {"event_type": SchedulerEvent.Type(event_type).value, "tenant_id": tenant_id, "epoch": epoch}
    cursor.execute(statement("insert_event"), row)


def events_delete(cursor: Any, *, tenant_id: int, before: datetime, limit: int) -> int:
    """Delete up to `limit` of the tenant's lines from before that moment, the oldest first; how many it were."""
    cursor.execute(statement("delete_events"), {"tenant_id": tenant_id, "before": before, "limit": limit})
    return int(cursor.rowcount)


def own_events_delete(cursor: Any, *, days: int, limit: int) -> int:
    """As `events_delete`, of the scheduler's own lines that are older than `days`."""
    cursor.execute(statement("delete_own_events"), {"days": days, "limit": limit})
    return int(cursor.rowcount)
