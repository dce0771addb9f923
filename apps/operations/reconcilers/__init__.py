"""One class for each kind of drift.

A new kind is a class here and an entry in `RECONCILERS`; API, admin and command follow by themselves.
"""

from apps.operations.reconcilers.base import Reconciler
from apps.operations.reconcilers.cursors import CursorReconciler
from apps.operations.reconcilers.platform_jobs import PlatformJobReconciler
from apps.operations.reconcilers.stuck_executions import StuckExecutionReconciler
from apps.operations.reconcilers.totals import TotalsReconciler
from apps.operations.reconcilers.user_ids import UserIdReconciler
from apps.operations.reconcilers.vault_rows import VaultRowReconciler

RECONCILERS: dict[str, Reconciler] = {
    reconciler.kind: reconciler
    for reconciler in (
        CursorReconciler(),
        UserIdReconciler(),
        TotalsReconciler(),
        PlatformJobReconciler(),
        StuckExecutionReconciler(),
        VaultRowReconciler(),  # after the live executions, which name contents
    )
}
