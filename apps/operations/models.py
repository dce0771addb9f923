"""What on-call did that has to be looked up while they work. What they did at all is in the audit trail."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class BreakGlass(models.Model):
    """An operator's access to one tenant's outputs, from `granted_at` until `until` or `ended_at`, if that is earlier.

    `execution_id` is the execution that it was asked for; it holds for all of the tenant's.
    """

    id: int
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, related_name="+")
    tenant_id: int
    account = models.ForeignKey("tenants.User", on_delete=models.PROTECT, related_name="+", db_index=False)
    account_id: int
    execution_id = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    granted_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "break-glass access"
        verbose_name_plural = "break-glass accesses"
        indexes: ClassVar = [
            # Read by every page of the admin.
            models.Index(fields=["account", "until"], name="break_glass_of_account")
        ]

    def __str__(self) -> str:
        return f"{self.account} to {self.tenant} until {self.until:%Y-%m-%d %H:%M:%S}"
