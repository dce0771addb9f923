"""A span around each run, where there are traces."""

from __future__ import annotations

from collections.abc import Awaitable

from apps.executions.metrics import kind_of
from apps.executions.queue import Claimed
from apps.executions.targets.context import TargetResult
from apps.leadership import tracing


async def traced(row: Claimed, run: Awaitable[TargetResult]) -> TargetResult:
    """`run`, within a span that its requests name as their parent."""
    if not tracing.is_on():
        return await run
    attributes: dict[str, str | int] = {
        "scheduler.tenant_id": row.tenant_id,
        "scheduler.job_id": row.job_id,
        "scheduler.execution_id": row.id,
        "scheduler.attempt": row.attempt,
        "scheduler.target": kind_of(row.target),
    }
    with tracing.span("scheduler.run", attributes) as said:
        result = await run
        said["scheduler.ok"] = result.ok
        return result
