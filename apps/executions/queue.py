"""The live queue: one function per statement.

`enqueue` and `notify_work` run in the caller's transaction, if there is one. The others return a `Call`, for sync and
asyncio sessions alike. Each is a transaction of its own when the session is in autocommit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any, NamedTuple, TypedDict

from apps.executions.call import Call, Executes, Rows
from apps.executions.exclusive import Exclusive
from apps.executions.sql import statement
from apps.leadership.locks import Lock

WORK_CHANNEL = "scheduler_work"
CANCEL_CHANNEL = "scheduler_cancelled"  # the payload is the worker that held a cancelled execution

# For sessions that claim and finish. A queue's statistics are always behind it, and a plan made from them may be twenty
# times slower; these sessions are left one way to run each statement: index, hash join, planned once.
PINNED_PLANS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class NewExecution:
    """To be made. `scheduled_for` is the nominal instant, `run_at` when it may start; delays in seconds."""

    tenant_id: int
    job_id: int
    job_name: str
    user_id: str | None
    legacy_user_id: int | None
    kind: str
    scheduled_for: datetime
    run_at: datetime
    task_type: str
    target: str
    content_version: int
    timeout_seconds: int
    max_attempts: int
    retry_delay_seconds: int
    retry_max_delay_seconds: int
    priority: int = 0
    epoch: int | None = None
    retry_of: int | None = None
    max_concurrency: int | None = None


_COLUMNS = tuple(NewExecution.__dataclass_fields__)


class Claimed(NamedTuple):
    """A leased row as its worker needs it. `leased_at` is the database's clock in seconds since the epoch."""

    id: int
    token: str
    tenant_id: int
    job_id: int
    job_name: str
    user_id: str | None
    legacy_user_id: int | None
    kind: str
    scheduled_for: datetime
    run_at: datetime
    target: str
    epoch: int | None
    priority: int
    content_version: int
    timeout_seconds: int
    max_attempts: int
    retry_delay_seconds: int
    retry_max_delay_seconds: int
    attempt: int
    lost: int
    released: int
    leased_at: float
    rank: int = 0


class Held(TypedDict):
    """A lease, by the id of its execution and its token."""

    id: int
    token: str


class Released(Held, total=False):
    """A lease handed back. It has the times, the database's clock, if its target had been called."""

    started: float
    finished: float


class Failed(Held):
    """An attempt that failed with others left. Times are the database's clock, delay seconds from now."""

    outcome: str
    error_message: str
    started: float
    finished: float
    delay: float


class Finished(NamedTuple):
    """The end of an execution, by its last attempt: it succeeded when that did. Times are the database's clock.

    `result` is JSON; empty texts are none. `error_message` has no customer's content in it. `gone` says that no later
    run of the job can succeed: its endpoint will not be back.
    """

    id: int
    token: str
    outcome: str
    started: float
    finished: float
    error_message: str = ""
    result: str = ""
    error_text: str = ""
    gone: bool = False


class Completed(NamedTuple):
    """`stale` leases were no longer ours; a `duplicate` tick was in the ledger already and was not written again."""

    completed: int
    stale: int
    duplicates: int


class Moved(NamedTuple):
    """`stale` leases were no longer ours."""

    moved: int
    stale: int


def enqueue(cursor: Executes, rows: Sequence[NewExecution]) -> list[int]:
    """Make executions and wake the workers, in one statement. The ids of those made, in no order.

    A tick that is live already is not made again.
    """
    params = {column: [getattr(row, column) for row in rows] for column in _COLUMNS}
    cursor.execute(statement("enqueue"), params)
    return [execution_id for (execution_id,) in cursor.fetchall()]


def notify_work(cursor: Executes) -> None:
    """Wake the workers when the transaction commits."""
    cursor.execute("SELECT pg_notify(%s, '')", (WORK_CHANNEL,))


class Position(NamedTuple):
    """A place in the queue: behind that row."""

    rank: int
    priority: int
    id: int


HEAD = Position(rank=0, priority=0, id=0)


class Taken(list[Claimed]):
    """What a claim took, in the queue's order, having walked over the first `walked` rows, as far as `end`."""

    walked: int = 0
    end: Position = HEAD


def claim(
    *, worker: str, limit: int, lease_seconds: float, after: Position = HEAD, window: int | None = None
) -> Exclusive[Taken]:
    """Lease up to `limit` executions to `worker`, the first of those behind `after` that caps allow.

    It looks at `window` rows that wait, by default at twice the limit and a hundred, and takes what it can of those.
    """
    params = {
        "worker": worker,
        "token": token_hex(8),  # gen_random_uuid() takes the server 4 µs a row
        "limit": limit,
        "lease_seconds": lease_seconds,
        "window": 2 * limit + 100 if window is None else window,
        "after_rank": after.rank,
        "after_priority": after.priority,
        "after_id": after.id,
    }
    return Exclusive("claim", "claimed", Lock.CLAIMS, params, _taken)


def _taken(did: Rows, rows: Rows) -> Taken:
    taken = Taken(map(Claimed._make, rows))
    _, taken.walked, end = did[0]
    taken.end = HEAD if end is None else Position(*end)
    return taken


def rank_due(*, limit: int) -> Call[int]:
    """Give up to `limit` executions that have come due their place in the queue; how many that were."""
    return Call("rank_due", {"limit": limit}, lambda rows: int(rows[0][0]))


def look_ahead() -> Call[tuple[float, float | None]]:
    """The database's time, and when the next one without a place may start (None: none); seconds since the epoch."""
    return Call("look_ahead", {}, lambda rows: (rows[0][0], rows[0][1]))


def renew(leases: Sequence[Held], *, lease_seconds: float) -> Call[set[str]]:
    """Extend leases; the tokens of those that are still ours."""
    params = {"batch": _batch(leases), "lease_seconds": lease_seconds}
    return Call("renew", params, lambda rows: {token for (token,) in rows})


def count_lost(rows: Sequence[Claimed]) -> Call[int]:
    """How many of these leases were taken back by the reaper; the others that have gone were ended by somebody."""
    leases = [
        {"id": row.id, "token": row.token, "scheduled_for": row.scheduled_for.isoformat()} for row in rows
    ]
    return Call("count_lost", {"batch": json.dumps(leases)}, lambda rows: int(rows[0][0]))


def complete(batch: Sequence[Finished]) -> Call[Completed]:
    """Move executions to the ledger, with everything that follows from it, in one transaction."""
    ordered = sorted(batch, key=lambda end: end.id)  # as `_batch`
    columns = zip(*ordered, strict=True) if ordered else ([] for _ in Finished._fields)
    params = {field: list(column) for field, column in zip(Finished._fields, columns, strict=True)}
    return Call("complete", params, _completed)


def _completed(rows: Rows) -> Completed:
    given, gone, logged = rows[0]
    return Completed(completed=logged, stale=given - gone, duplicates=gone - logged)


def retry(batch: Sequence[Failed], *, worker: str) -> Call[Moved]:
    """Put failed executions back, to be run `delay` seconds from now."""
    return Call("retry", {"batch": _batch(batch), "worker": worker}, _moved)


def release(batch: Sequence[Released], *, worker: str) -> Call[Moved]:
    """Hand leases back, and wake the other workers. What had begun is an attempt on record, the rest never was one."""
    return Call("release", {"batch": _batch(batch), "worker": worker}, _moved)


def _moved(rows: Rows) -> Moved:
    return Moved(moved=rows[0][1], stale=rows[0][0] - rows[0][1])


def _batch(rows: Sequence[Any]) -> str:
    """In the order of ids, so that two sessions lock rows in the same order."""
    return json.dumps(sorted(rows, key=lambda row: row["id"]), separators=(",", ":"))
