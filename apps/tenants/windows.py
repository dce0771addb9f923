"""Lists of tables that hold millions of rows: whatever is filtered, no more than a window of them is looked at.

The whole list comes in the order of its key, fifty rows at a time. A filter that few rows pass would walk over all the
others to find them; so a filtered list is of the latest LATEST rows, unless an index leads to what is asked for.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.tenants.operators import ReadOnlyAdmin

LATEST = 100_000
OF_TENANT = "tenant__id__exact"
# Of the address of a list: what filters nothing.
_NO_FILTER = frozenset({"p", "o", "e", "all", "_changelist_filters", "_popup", "_to_field"})


def is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= 18


class WindowedAdmin(ReadOnlyAdmin):
    """`ordering` begins with the key that says which rows are the latest; `tenant_indexed`: an index begins with the
    tenant. `search_numbers` are all indexed.
    """

    list_before_template = "admin/window.html"
    latest_rows = LATEST
    tenant_indexed = True

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The last thing that a list does to its rows, and so the place where they are bounded."""
        term = search_term.strip()
        number = int(term) if self.search_numbers and is_id(term) else None
        if number is None:
            queryset, _ = super().get_search_results(request, queryset, search_term)
        else:  # a text beside it, as other lists look for, would read everything
            queryset = self.numbered(queryset, number)
        if number is None and {name for name, value in request.GET.items() if value} - _NO_FILTER:
            queryset = self.bounded(request, queryset)
        return queryset, False

    def numbered(self, queryset: QuerySet[Any], number: int) -> QuerySet[Any]:
        """The rows with this number."""
        found = Q(pk__in=[])
        for name in self.search_numbers:
            found |= Q(**{name: number})
        return queryset.filter(found)

    def bounded(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is looked at where somebody filters."""
        of_tenant = self.tenant_indexed and is_id(request.GET.get(OF_TENANT, ""))
        return queryset if of_tenant else self.latest(queryset)

    def latest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.ordering[0].removeprefix("-")
        newest = self.model._default_manager.order_by(f"-{key}").values_list(key, flat=True).first()
        return queryset.filter(**{f"{key}__gt": (newest or 0) - self.latest_rows})
