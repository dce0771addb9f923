"""Taking back executions that nobody has started."""

from __future__ import annotations

from apps.executions.call import Executes
from apps.executions.sql import statement
from apps.executions.states import SkipReason


def cancel_waiting(
    cursor: Executes, *, tenant_id: int, job_id: int, reason: SkipReason, sentence: str
) -> list[int]:
    """Cancel the pending executions of a job, in the caller's transaction; their ids.

    The caller holds the job's cursor, so that nothing is dispatched meanwhile. `sentence` is shown in the ledger
    (500 characters).
    """
    cursor.execute(
        statement("cancel_waiting"),
        {"tenant_id": tenant_id, "job_id": job_id, "reason": reason.value, "sentence": sentence},
    )
    return [execution_id for (execution_id,) in cursor.fetchall()]
