"""Calls one target and always comes back with a result; only cancellation passes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.executions.targets import outcome, registry
from apps.executions.targets.context import ExecutionContext, Resources, TargetResult
from apps.executions.targets.limit import TimeIsUp, within
from apps.executions.targets.processes import ProcessRunner


async def run_target(
    name: str,
    params: Any,
    context: ExecutionContext,
    resources: Resources,
    processes: ProcessRunner,
    timeout: float,  # noqa: ASYNC109 - it becomes a result
    called: Callable[[], None] = lambda: None,
) -> TargetResult:
    """Validate, call, and bound by `timeout` seconds: an async target is cancelled, a plain function's process killed.

    A failure of any kind is a TargetResult. An async target that swallows cancellation is the one thing that can
    outlast its time: it runs in our loop, and nothing can take it out. `called` is told right before the target is.
    """
    try:
        definition = registry.get(name)
        valid = registry.validate_params(name, params)
        if not definition.is_async:
            try:
                return await processes.run(definition, valid, context, timeout, called)
            except TimeoutError:
                raise TimeIsUp from None
        called()
        return outcome.from_value(await within(timeout, definition.function(valid, context, resources)))
    except TimeIsUp:
        return TargetResult("failed", error=f"timed out after {timeout:g} s", timed_out=True)
    except Exception as error:  # whatever a target raises is its failure, not the worker's
        return outcome.from_error(error)
