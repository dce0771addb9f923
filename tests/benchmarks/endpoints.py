"""Tenants whose endpoint is a receiver on loopback, and signed deliveries to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.request import urlopen

from tests.benchmarks.population import PAYLOAD
from tests.benchmarks.running import Processes, module


class Receiving:
    """A receiver that runs as one of `children`."""

    def __init__(self, children: Processes) -> None:
        children.start("receiver", module("receiver"))
        self.port = int(children.wait_for_line("receiver", "listening"))

    def url(self, path: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def counts(self) -> dict[str, int]:
        with urlopen(self.url("counts"), timeout=10) as response:
            counts: dict[str, int] = json.load(response)
        return counts

    def of(self, tenants: Sequence[Any], path: str = "ok") -> None:
        """These tenants' endpoint from now on."""
        from apps.vault.services import tenant_endpoint_set

        for tenant in tenants:
            tenant_endpoint_set(tenant=tenant, url=self.url(path), actor="benchmark")


def delivery() -> dict[str, Any]:
    """A job's content: 200 bytes to the tenant's endpoint, signed with its secret."""
    from apps.executions.targets.registry import autodiscover, validate_params

    autodiscover()
    return validate_params("http_request", {"json": PAYLOAD})
