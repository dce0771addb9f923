"""What a run of reconcilers found and did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.operations.reconcilers.base import Drift, Result

SHOWN_ITEMS = 500


@dataclass(frozen=True, slots=True)
class Item:
    """One drift and what became of it; `detail` says why where it failed."""

    drift: Drift
    result: Result
    detail: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        drift = self.drift
        return {
            "kind": drift.kind,
            "problem": drift.problem,
            "tenant_id": drift.tenant_id,
            "object_type": drift.object_type,
            "object_id": drift.object_id,
            "name": drift.label,
            "sentence": drift.sentence,
            "found": dict(drift.found),
            "wanted": dict(drift.wanted),
            "result": self.result.value,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """`reconciled_at` is the database's clock at the end. A dry run's items are all `found`. `tenants` has the short
    names of theirs.
    """

    kinds: tuple[str, ...]
    dry_run: bool
    reconciled_at: datetime
    items: tuple[Item, ...]
    has_more: bool = False
    tenants: Mapping[int, str] = field(default_factory=dict)

    def tenant_of(self, item: Item) -> str:
        """Its short name."""
        return self.tenants.get(item.drift.tenant_id, f"tenant {item.drift.tenant_id}")

    @property
    def counts(self) -> dict[str, int]:
        """How many were found, and what became of them."""
        results = Counter(item.result for item in self.items)
        return {
            "found": len(self.items),
            "created": results[Result.CREATED],
            "repaired": results[Result.REPAIRED],
            "skipped": results[Result.SKIPPED],
            "failures": results[Result.FAILED],
        }

    @property
    def failures(self) -> int:
        return self.counts["failures"]

    @property
    def payload(self) -> dict[str, Any]:
        """As JSON; the first SHOWN_ITEMS items, and how many more there are."""
        return {
            "success": not self.failures,
            "kinds": list(self.kinds),
            "dry_run": self.dry_run,
            **self.counts,
            "items": [{**item.payload, "tenant": self.tenant_of(item)} for item in self.items[:SHOWN_ITEMS]],
            "items_left_off": max(0, len(self.items) - SHOWN_ITEMS),
            "has_more": self.has_more,
            "reconciled_at": self.reconciled_at.isoformat(),
        }
