"""The demo's Python tasks, registered only in processes that run under `settings.demo`."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from rest_framework import serializers

from apps.executions.targets.context import ExecutionContext, Resources
from apps.executions.targets.registry import task


class PulseParams(serializers.Serializer[Any]):
    wait_ms = serializers.IntegerField(default=5, min_value=0, max_value=5_000)


class DigestParams(serializers.Serializer[Any]):
    rounds = serializers.IntegerField(default=20_000, min_value=1, max_value=5_000_000)


@task("demo.pulse", params=PulseParams, title="Pulse", category="demo", public=True)
async def pulse(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> dict[str, Any]:
    """Waits as a call to somewhere would; runs in the worker's event loop."""
    await asyncio.sleep(params["wait_ms"] / 1000)
    return {"tenant": context.tenant, "waited_ms": params["wait_ms"]}


@task("demo.digest", params=DigestParams, title="Digest", category="demo", public=True)
def digest(params: dict[str, Any], context: ExecutionContext) -> dict[str, Any]:
    """Computes for a few milliseconds; runs in a process that could be killed."""
    salt = str(context.execution_id).encode()
    return {"digest": hashlib.pbkdf2_hmac("sha256", b"demo", salt, params["rounds"]).hex()}
