"""The live queue."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.executions.models.owned import Owned
from apps.executions.states import State


class Execution(Owned):
    """A run that is waiting or under a lease. The token in the WHERE of every later write is its owner's proof.

    `rank` is its place in the queue's virtual time, null until `run_at`. `max_concurrency` is its job's (null: none).
    Of its attempts, `lost` and `released` are those that say nothing of the job: their workers died, or were stopped.
    """

    state = models.CharField(max_length=10, choices=State, db_default=State.PENDING)
    priority = models.SmallIntegerField(db_default=0)
    rank = models.BigIntegerField(null=True)
    max_concurrency = models.SmallIntegerField(null=True)
    content_version = models.IntegerField()
    timeout_seconds = models.IntegerField()
    max_attempts = models.SmallIntegerField()
    retry_delay_seconds = models.IntegerField()
    retry_max_delay_seconds = models.IntegerField()
    attempt = models.SmallIntegerField(db_default=0)
    lost = models.SmallIntegerField(db_default=0)
    released = models.SmallIntegerField(db_default=0)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    leased_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            # Also the way to a job's live executions.
            models.UniqueConstraint(
                fields=["job_id", "scheduled_for", "kind", "retry_of"],
                nulls_distinct=False,
                name="execution_one_per_tick",
            ),
            models.CheckConstraint(
                condition=models.Q(state=State.PENDING, lease_token=None)
                | models.Q(state=State.LEASED, lease_token__isnull=False),
                name="execution_leased_has_token",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["rank", "-priority", "id"],
                condition=models.Q(state=State.PENDING, rank__isnull=False),
                name="execution_to_claim",
            ),
            # A tenant's last place in the queue. With the condition of the index above, either could be read for it.
            models.Index(
                models.F("tenant"),
                models.F("rank").desc(nulls_last=True),
                condition=models.Q(state=State.PENDING),
                name="execution_of_tenant",
            ),
            models.Index(
                fields=["run_at"],
                condition=models.Q(state=State.PENDING, rank=None),
                name="execution_to_rank",
            ),
            # What caps count, and what is reaped: leases are few, and one more index is paid for by each of them.
            models.Index(
                fields=["tenant", "job_id"], condition=models.Q(state=State.LEASED), name="execution_running"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_name} at {self.scheduled_for:%Y-%m-%d %H:%M:%S}"
