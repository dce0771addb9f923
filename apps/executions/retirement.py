"""Retention's statements: one function each, on a cursor of the leader's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from psycopg import sql

from apps.executions.call import Call, Result
from apps.executions.sql import statement
from apps.executions.states import Outcome
from apps.leadership.session import LeaderSession
from apps.leadership.statements import Session
from apps.tenants.idempotency import KEPT_FOR

MINUTES_KEPT = "1 day"  # of charges by the minute
DAYS_KEPT = "400 days"  # of charges by the day, and of imports' bookmarks
_KEPT = {"minutes_kept": MINUTES_KEPT, "days_kept": DAYS_KEPT}


class Delete(Protocol):
    """Deletes up to `limit` rows, in a transaction of the leader's; how many it were."""

    def __call__(self, cursor: Any, *, limit: int) -> int: ...


class OldPartition(NamedTuple):
    """A partition of `parent` whose rows nobody keeps any longer."""

    parent: str
    partition: str
    begins: datetime
    ends: datetime

    @property
    def is_counted(self) -> bool:
        """Whether the counters have its rows."""
        return self.parent == "executions_executionlog"


class Stale(NamedTuple):
    """What a tenant has that is older than it is kept. `hour`: the oldest of its counters."""

    tenant_id: int
    schema_name: str
    cutoff: datetime
    hour: datetime | None
    skips: bool
    events: bool
    answers: bool
    usage: bool
    imports: bool


def old_partitions() -> Call[list[OldPartition]]:
    """Partitions that may be dropped, in the order in which they may."""
    return Call("read_old_partitions", {}, lambda rows: [OldPartition(*row) for row in rows])


def stale(*, after: int, limit: int) -> Call[list[Stale]]:
    """The next `limit` tenants behind that id, with what is old of each."""
    params = {"after": after, "limit": limit, "answers_kept": KEPT_FOR, **_KEPT}
    return Call("read_stale", params, lambda rows: [Stale(*row) for row in rows])


def next_stale_hour(*, tenant_id: int, since: datetime, cutoff: datetime) -> Call[datetime | None]:
    """The oldest hour from `since` on, of the tenant's counters, that is older than it is kept."""
    params = {"tenant_id": tenant_id, "since": since, "cutoff": cutoff}
    return Call("next_stale_hour", params, lambda rows: rows[0][0] if rows else None)


def retire_cells(*, begins: datetime, ends: datetime, tenant_id: int | None = None) -> Call[tuple[bool, int]]:
    """Count these hours as retired, of one tenant or all. (whether it has to wait for a fold, executions)."""
    params = {"begins": begins, "ends": ends, "tenant_id": tenant_id}
    return Call("retire_cells", params, lambda rows: (rows[0][0], rows[0][1]))


def executions_of(of: Stale, day: datetime) -> Delete:
    """Deletes the tenant's finished executions of the UTC day that begins then."""
    params = {"since": day, "until": min(day + timedelta(days=1), of.cutoff), "statuses": Outcome.values}
    return _deleting("retire_executions", {"tenant_id": of.tenant_id, **params})


def skips_of(of: Stale) -> Delete:
    """Deletes skips that ended before the tenant's cutoff."""
    return _deleting("retire_skips", {"tenant_id": of.tenant_id, "cutoff": of.cutoff})


def usage_of(of: Stale) -> Delete:
    """Deletes charges."""
    return _deleting("delete_usage", {"tenant_id": of.tenant_id, **_KEPT})


def imports_of(of: Stale) -> Delete:
    """Deletes bookmarks of imports."""
    return _deleting("delete_import_runs", {"tenant_id": of.tenant_id, "days_kept": DAYS_KEPT})


def enter_tenant(schema_name: str) -> Call[None]:
    """See what the tenant sees until the transaction ends."""
    return Call("enter_tenant", {"schema_name": schema_name}, lambda rows: None)


def lock_partition(cursor: Session, partition: str, *, lock_timeout: str) -> None:
    """Have it to ourselves. Holds up those alone who are at this partition, not at the others of its table.

    Raises LockNotAvailable when somebody stays in it.
    """
    cursor.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'")
    cursor.execute(sql.SQL("LOCK TABLE public.{} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(partition)))


def truncate_partition(cursor: Session, partition: str) -> None:
    """Delete all its rows at once."""
    cursor.execute(sql.SQL("TRUNCATE public.{}").format(sql.Identifier(partition)))


def drop_partition(cursor: Session, old: OldPartition, *, lock_timeout: str) -> None:
    """Drop it. The table is locked against everybody, for as long as it takes; with it nobody can be in a partition but
    vacuum, which is not waited for. Raises LockNotAvailable.
    """
    names = {
        "parent": sql.Identifier(old.parent),
        "others": sql.SQL(", public.").join(map(sql.Identifier, (f"{old.parent}_default", old.partition))),
        "partition": sql.Identifier(old.partition),
    }
    cursor.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'")
    for text in (
        "LOCK TABLE ONLY public.{parent} IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE public.{others} IN ACCESS EXCLUSIVE MODE NOWAIT",
        "DROP TABLE public.{partition}",
    ):
        cursor.execute(sql.SQL(text).format(**names))


def read(session: LeaderSession, call: Call[Result]) -> Result:
    """Read on the leader's session, outside a transaction."""
    return call.read(session.read(statement(call.name), call.params))


def _deleting(name: str, params: dict[str, Any]) -> Delete:
    def delete(cursor: Any, *, limit: int) -> int:
        return Call(name, {**params, "limit": limit}, lambda rows: int(rows[0][0])).on(cursor)

    return delete
