"""A worker in small, for test_process_runner to SIGKILL: runs a function that never returns, until it is killed."""

from __future__ import annotations

import asyncio
import sys

import django

from apps.executions.targets.context import TargetResult


async def main(function: str, path: str) -> TargetResult:
    from apps.executions.targets.processes import ProcessRunner
    from tests.unit.test_process_runner import CONTEXT, definition

    return await ProcessRunner(max_workers=1).run(definition(function), {"file": path}, CONTEXT, 600)


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(sys.argv[1], sys.argv[2]))
