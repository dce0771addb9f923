"""What our workers run here. Figures of lag are lines on standard output, which the benchmark reads from their log."""

from __future__ import annotations

import time
from typing import Any

from apps.executions.targets.context import ExecutionContext, Resources
from apps.executions.targets.registry import task

RESULT = {"text": "r" * 185}  # 200 bytes as JSON


@task("bench.noop", public=True)
async def noop(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> dict[str, Any]:
    """Nothing, with a result of 200 bytes."""
    return RESULT


@task("bench.lag", public=True)
async def lag(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> dict[str, Any]:
    """Milliseconds from when it should have started until its first line."""
    print(f"lag {(time.time() - context.run_at.timestamp()) * 1000:.3f}", flush=True)
    return RESULT
