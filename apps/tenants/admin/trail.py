"""The audit trail. Row security lets nobody change it, here or elsewhere."""

from django.contrib import admin

from apps.tenants.models import AuditEntry
from apps.tenants.operators import TENANT_FILTER
from apps.tenants.windows import WindowedAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(WindowedAdmin):
    list_display = ("at", "actor", "action", "tenant", "object_type", "object_id", "reason")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_texts = ("actor", "action", "object_id")
