"""Cancelling executions: those of a job that nobody has started, or one, whatever it is doing."""

from __future__ import annotations

from typing import NamedTuple

from apps.executions.call import Executes
from apps.executions.sql import statement
from apps.executions.states import SkipReason


def cancel_waiting(
    cursor: Executes,
    *,
    tenant_id: int,
    job_id: int,
    reason: SkipReason,
    sentence: str,
    execution_id: int | None = None,
) -> list[int]:
    """Cancel the pending executions of a job, or the one of that id, in the caller's transaction; their ids.

    The caller holds the job's cursor, so that nothing is dispatched meanwhile. `sentence` is shown in the ledger
    (500 characters).
    """
    cursor.execute(
        statement("cancel_waiting"),
        {
            "tenant_id": tenant_id,
            "job_id": job_id,
            "id": execution_id,
            "reason": reason.value,
            "sentence": sentence,
        },
    )
    return [execution_id for (execution_id,) in cursor.fetchall()]


class Cancelled(NamedTuple):
    """What the execution was doing: its state, its attempts, and the worker that held it."""

    state: str
    attempt: int
    worker: str | None


def cancel(
    cursor: Executes, *, tenant_id: int, execution_id: int, sentence: str, words: str | None
) -> Cancelled | None:
    """Take a live execution out of the queue and put it into the ledger as failed; None when it is not live.

    In the caller's transaction; on commit its worker is told to look at its leases, and stops what it has lost.
    `sentence` is the ledger's (500 characters), `words` what only the tenant may read beside it.
    """
    cursor.execute(
        statement("cancel"),
        {"tenant_id": tenant_id, "id": execution_id, "sentence": sentence, "words": words},
    )
    rows = cursor.fetchall()
    return Cancelled(*rows[0][:3]) if rows else None
