"""The ledger's list, bounded by its indexes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.executions.models import ExecutionLog
from apps.executions.states import Outcome
from apps.tenants.operators import COUNTED
from apps.tenants.windows import OF_TENANT, WindowedAdmin, is_id


class LedgerAdmin(WindowedAdmin):
    """Of a tenant or a job it looks at the latest COUNTED rows and a few more, however old they are."""

    def numbered(self, queryset: QuerySet[Any], number: int) -> QuerySet[Any]:
        mark, of_job = _mark(job_id=number), Q(job_id=number)
        if mark:
            of_job &= Q(scheduled_for__gte=mark)
        return queryset.filter(Q(pk=number) | of_job)

    def bounded(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        tenant_id = request.GET.get(OF_TENANT, "")
        if not is_id(tenant_id):
            return self.latest(queryset)
        status = request.GET.get("status__exact")
        marks = [
            _mark(tenant_id=int(tenant_id), status=one) for one in ([status] if status else Outcome.values)
        ]
        # Of no status more than COUNTED, and of all together as many at least.
        since = max((mark for mark in marks if mark), default=None)
        return queryset.filter(scheduled_for__gte=since) if since else queryset


def _mark(**of: Any) -> datetime | None:
    """The nominal time of the row that comes COUNTED-th from the latest, by an index of these columns; None before."""
    rows = ExecutionLog.objects.filter(**of).order_by("-scheduled_for")
    return rows.values_list("scheduled_for", flat=True)[COUNTED - 1 : COUNTED].first()
