"""What all rows here have: a tenant, and most of them a job and its user."""

from django.db import models

from apps.executions.states import Kind


class TenantRow(models.Model):
    """A row of one tenant, under row security, without the cost of a foreign key on each insert."""

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    tenant_id: int

    class Meta:
        abstract = True


class Owned(TenantRow):
    """Of a job and, through it, of a user. Both forms of the user id are kept; see `tenants.identity`."""

    job_id = models.BigIntegerField()
    job_name = models.CharField(max_length=200)
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: an old row knows only the integer
    legacy_user_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=10, choices=Kind)
    retry_of = models.BigIntegerField(null=True)
    scheduled_for = models.DateTimeField()
    run_at = models.DateTimeField()
    task_type = models.CharField(max_length=200)
    target = models.CharField(max_length=200)
    epoch = models.BigIntegerField(null=True)

    class Meta:
        abstract = True
