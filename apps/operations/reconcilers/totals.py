"""Cumulative totals that are not what the history says."""

from __future__ import annotations

from collections.abc import Iterator

from apps.operations.reconcilers.base import Drift, Repair, Result, Scope, tenants_in
from apps.operations.statements import TOTALS, add_drift, hold_totals, read_totals

OFF = "off"


class TotalsReconciler:
    """Cycles are not looked at: the journal does not keep each of them, so the history cannot tell their number."""

    kind = "cumulative_stats"
    title = "Cumulative totals"
    about = "a tenant's cumulative totals that are not what its history says; what they are off is added"

    def find(self, scope: Scope) -> Iterator[Drift]:
        for tenant in tenants_in(scope):
            if scope.object_ids is not None and tenant.pk not in scope.object_ids:
                continue
            if drift := self._drift(tenant.pk, str(tenant.schema_name)):
                yield drift

    def repair(self, drift: Drift) -> Repair:
        """One repair of a tenant at a time; the leader is not held up."""
        hold_totals(drift.tenant_id)
        now = self._drift(drift.tenant_id, drift.label)
        if now is None:
            return Repair(Result.SKIPPED, drift)
        add_drift(drift.tenant_id, {name: now.wanted[name] - now.found[name] for name in TOTALS})
        return Repair(Result.REPAIRED, now)

    def _drift(self, tenant_id: int, label: str) -> Drift | None:
        found, wanted = read_totals(tenant_id)
        if found == wanted:
            return None
        off = ", ".join(
            f"{name} by {found[name] - wanted[name]:+,}" for name in TOTALS if found[name] != wanted[name]
        )
        sentence = f"The totals are off from the history: {off}."
        return Drift(
            kind=self.kind,
            problem=OFF,
            tenant_id=tenant_id,
            object_type="tenant",
            object_id=tenant_id,
            sentence=sentence,
            label=label,
            found=found,
            wanted=wanted,
        )
