"""The tables with both columns.

Not here: live executions, which are the hottest rows there are and reach the ledger in seconds, as they are; and
memberships, whose string is never empty and which are where the mapping comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet

from apps.executions.models import ExecutionLog
from apps.executions.states import Outcome
from apps.jobs.models import Job
from apps.leadership.models import SchedulerEvent
from apps.vault.models import Connection


@dataclass(frozen=True, slots=True)
class Table:
    """`order` are the columns by which a user's rows are walked, descending, the key last. `slices`: conditions that
    part them so that an index serves that order in each.
    """

    name: str
    model: type[Model]
    order: tuple[str, ...] = ("id",)
    slices: tuple[Q, ...] = (Q(),)
    has_tenant: bool = True

    def rows(self, tenant_id: int) -> QuerySet[Any]:
        """The tenant's, in its scope."""
        rows: QuerySet[Any] = self.model._default_manager.order_by()
        return rows.filter(tenant_id=tenant_id) if self.has_tenant else rows


TABLES = (
    Table(
        "execution logs",
        ExecutionLog,
        order=("scheduled_for", "id"),
        slices=tuple(Q(status=status) for status in Outcome.values),
    ),
    Table("jobs", Job),
    Table("events", SchedulerEvent),
    Table("connections", Connection, has_tenant=False),
)
