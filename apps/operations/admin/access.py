"""Who broke the glass, when and why."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from apps.operations.models import BreakGlass
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, column


@admin.register(BreakGlass)
class BreakGlassAdmin(ReadOnlyAdmin):
    """What was read meanwhile is in the audit trail, under `break_glass.read`."""

    list_display = ("granted_at", "account", "tenant", "state", "until", "ended_at", "execution_id", "reason")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "account")
    ordering = ("-id",)
    sortable_by = ()
    search_numbers = ("execution_id",)
    search_texts = ("account__username",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BreakGlass]:
        rows: QuerySet[BreakGlass] = super().get_queryset(request)
        return rows.annotate(now=Now())

    @column("state", label={"open": "danger", "over": "info"})
    def state(self, grant: Any) -> str:
        return "open" if grant.ended_at is None and grant.until > grant.now else "over"
