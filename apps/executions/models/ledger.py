"""What became of executions and of nominal times without one.

`ExecutionLog`, `ExecutionOutput` and `Attempt` are partitioned by day of `scheduled_for` and made by SQL in the
migrations; Django sees `id` as their key, the database `(id, scheduled_for)`.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.executions.models.owned import Owned, TenantRow
from apps.executions.states import AttemptOutcome, Outcome, SkipReason


class ExecutionLog(Owned):
    """The ledger: one row per finished execution. No customer content; that is in `ExecutionOutput`.

    It is the record of its last attempt, too, where it has a `lease_token`; else all attempts have rows of their own.
    """

    job_id = models.BigIntegerField(null=True)  # type: ignore[assignment]  # null: imported, of no job here
    status = models.CharField(max_length=10, choices=Outcome)
    error_message = models.CharField(max_length=500, null=True)  # noqa: DJ001 - our sentence, never the customer's text
    outcome = models.CharField(max_length=10, choices=AttemptOutcome, null=True)  # noqa: DJ001 - the last attempt's
    lease_token = models.UUIDField(null=True)
    attempts = models.SmallIntegerField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()
    execution_time_ms = models.IntegerField(null=True)
    worker = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    source_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - an imported row's id where it came from

    class Meta:
        managed = False
        db_table = "executions_executionlog"

    def __str__(self) -> str:
        return f"{self.job_name} at {self.scheduled_for:%Y-%m-%d %H:%M:%S}: {self.status}"


class ExecutionOutput(TenantRow):
    """What a run returned or raised. The machine inserts; only the tenant reads."""

    execution_id = models.BigIntegerField(primary_key=True)
    scheduled_for = models.DateTimeField()
    result = models.JSONField(null=True)
    error_text = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        managed = False
        db_table = "executions_executionoutput"

    def __str__(self) -> str:
        return f"output of execution {self.execution_id}"


class Attempt(TenantRow):
    """One try of an execution, written when it ended: by its worker, or by the reaper when its lease expired.

    One that ended its execution has no row where the ledger's says it all: read them by `selectors.execution_attempts`.
    """

    id = models.BigAutoField(primary_key=True)
    execution_id = models.BigIntegerField()
    scheduled_for = models.DateTimeField()
    attempt = models.SmallIntegerField()
    worker = models.CharField(max_length=200)
    lease_token = models.UUIDField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=AttemptOutcome)
    error_message = models.CharField(max_length=500, null=True)  # noqa: DJ001

    class Meta:
        managed = False
        db_table = "executions_attempt"

    def __str__(self) -> str:
        return f"attempt {self.attempt} of execution {self.execution_id}: {self.outcome}"


class Skip(TenantRow):
    """Nominal times that had no execution: `count` of them from `first` to `last`, both included."""

    job_id = models.BigIntegerField()
    first = models.DateTimeField()
    last = models.DateTimeField()
    count = models.BigIntegerField()
    reason = models.CharField(max_length=20, choices=SkipReason)
    detail = models.CharField(max_length=500, blank=True, db_default="")
    epoch = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job_id", "first"], name="skip_once_per_tick"),
            models.CheckConstraint(condition=models.Q(count__gte=1), name="skip_counts_something"),
            models.CheckConstraint(condition=models.Q(first__lte=models.F("last")), name="skip_is_a_range"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-last"], name="skip_of_tenant"),
            models.Index(fields=["created_at"], name="skip_by_age"),  # on-call's, over all tenants
        ]

    def __str__(self) -> str:
        return f"{self.count} of job {self.job_id} skipped: {self.reason}"
