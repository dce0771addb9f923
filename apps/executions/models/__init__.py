"""Live executions, their ledger, and the counters folded from it.

Hot rows name their tenant without a foreign key in the database: they are written by set-based statements that copy the
tenant from a row that has one.
"""

from apps.executions.models.counts import Counter, Delta, OutcomeNote, Tally, TenantTotals, Usage
from apps.executions.models.imports import ImportRun
from apps.executions.models.ledger import Attempt, ExecutionLog, ExecutionOutput, Skip
from apps.executions.models.live import Execution
from apps.executions.models.owned import Owned, TenantRow

__all__ = [
    "Attempt",
    "Counter",
    "Delta",
    "Execution",
    "ExecutionLog",
    "ExecutionOutput",
    "ImportRun",
    "OutcomeNote",
    "Owned",
    "Skip",
    "Tally",
    "TenantRow",
    "TenantTotals",
    "Usage",
]
