"""Lists of tables that hold millions of rows: whatever is filtered, no more than a window of them is looked at.

The whole list comes in the order of its key, fifty rows at a time. A filter that few rows pass would walk over all the
others to find them; so a filtered list is of the latest LATEST rows, a tenant's or a job's of the ledger of its latest
COUNTED and a little, however old they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.executions.models import ExecutionLog
from apps.executions.states import Outcome
from apps.tenants.operators import COUNTED, ReadOnlyAdmin

LATEST = 100_000
_TENANT = "tenant__id__exact"
# Of the address of a list: what filters nothing.
_NO_FILTER = frozenset({"p", "o", "e", "all", "_changelist_filters", "_popup", "_to_field"})


class WindowedAdmin(ReadOnlyAdmin):
    """`ordering` begins with the key that says which rows are the latest."""

    list_before_template = "admin/window.html"
    latest_rows = LATEST

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The last thing that a list does to its rows, and so the place where they are bounded."""
        if self.search_numbers and _is_id(
            search_term.strip()
        ):  # by an index; beside it a text would read everything
            numbered = Q()
            for name in self.search_numbers:
                numbered |= Q(**{name: int(search_term)})
            return self._bounded(request, queryset.filter(numbered), search_term.strip()), False
        found, many = super().get_search_results(request, queryset, search_term)
        asked = {name for name, value in request.GET.items() if value} - _NO_FILTER
        return (self._bounded(request, found, search_term.strip()) if asked else found), many

    def _bounded(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        tenant_id, bound = request.GET.get(_TENANT, ""), Q()
        if self.model is ExecutionLog and _is_id(tenant_id):
            statuses = [request.GET["status__exact"]] if request.GET.get("status__exact") else Outcome.values
            marks = [_mark(tenant_id=int(tenant_id), status=status) for status in statuses]
            # Of no status more than COUNTED, and of all together as many at least.
            bound = _since(max((mark for mark in marks if mark), default=None))
        elif self.model is ExecutionLog and _is_id(term):
            mark = _mark(job_id=int(term))
            bound = Q(pk=int(term)) | _since(mark) if mark else Q()
        elif not (self.search_numbers and _is_id(term)):
            key = self.ordering[0].removeprefix("-")
            newest = self.model._default_manager.order_by(f"-{key}").values_list(key, flat=True).first()
            bound = Q(**{f"{key}__gt": (newest or 0) - self.latest_rows})
        return queryset.filter(bound)


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= 18


def _mark(**of: Any) -> datetime | None:
    """The nominal time of the row that comes COUNTED-th from the latest, by the index of these columns; None before."""
    rows = ExecutionLog.objects.filter(**of).order_by("-scheduled_for")
    return rows.values_list("scheduled_for", flat=True)[COUNTED - 1 : COUNTED].first()


def _since(mark: datetime | None) -> Q:
    return Q(scheduled_for__gte=mark) if mark else Q()
