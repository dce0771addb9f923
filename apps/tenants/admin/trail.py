"""The audit trail. Row security lets nobody change it, here or elsewhere."""

from django.contrib import admin

from apps.tenants.models import AuditEntry
from apps.tenants.operators import TENANT_FILTER, column
from apps.tenants.windows import WindowedAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(WindowedAdmin):
    list_display = ("at", "actor", "action", "of_tenant", "object_type", "object_id", "reason")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_texts = ("actor", "action", "object_id")

    @column("tenant")
    def of_tenant(self, entry: AuditEntry) -> str | None:
        """Of one that was deleted the number, which is all that is left."""
        return str(entry.tenant or entry.tenant_id or "") or None
