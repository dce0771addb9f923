"""POST dashboard/cumulative-stats/reconcile: the totals of the dashboard, rebuilt from history."""

from __future__ import annotations

from collections.abc import Mapping

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.operations import services
from apps.operations.api.schema import ReconcileBody, TotalsReconciledShape
from apps.operations.reconcilers.totals import TotalsReconciler
from apps.operations.statements import TOTALS, read_totals
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.views import TenantView
from apps.tenants.permissions import IsAdmin

DEFAULT_REASON = "Asked for on the dashboard."


class CumulativeStatsReconcile(TenantView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="cumulative_stats_reconcile",
        request=ReconcileBody,
        responses={200: TotalsReconciledShape, 400: ErrorShape},
    )
    def post(self, request: Request) -> Response:
        """Put right what the tenant's cumulative totals are off from its history. The body may be left out."""
        member, asked = member_of(request), checked(ReconcileBody, request)
        report = services.reconcile(
            kinds=[TotalsReconciler.kind],
            tenant=member.tenant,
            dry_run=asked["dry_run"],
            reason=asked["reason"].strip() or DEFAULT_REASON,
            actor=member.actor,
        )
        if report.items:
            drift = report.items[0].drift
            before, stats = drift.found, drift.wanted
        else:
            # Not after a repair: under an Idempotency-Key its row, which the leader needs, is held until the end.
            before, stats = read_totals(member.tenant.pk)
        return Response(
            {
                "success": not report.failures,
                "stats": _shown(stats),
                "before": _shown(before),
                "drift": _shown({name: before[name] - stats[name] for name in TOTALS}),
                "dry_run": report.dry_run,
                "reconciled_at": report.reconciled_at,
            }
        )


def _shown(totals: Mapping[str, int]) -> dict[str, int]:
    return {f"cumulative_{name}": totals[name] for name in TOTALS}
