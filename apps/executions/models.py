"""Live executions, their ledger, and the counters folded from it.

Hot rows name their tenant without a foreign key in the database: they are written by set-based statements that copy the
tenant from a row that has one. `ExecutionLog`, `ExecutionOutput` and `Attempt` are partitioned by day of
`scheduled_for` and made by SQL in the migrations; Django sees `id` as their key, the database `(id, scheduled_for)`.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.executions.states import AttemptOutcome, Kind, Outcome, SkipReason, State


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


class Execution(Owned):
    """A run that is waiting or under a lease. The token in the WHERE of every later write is its owner's proof."""

    state = models.CharField(max_length=10, choices=State, db_default=State.PENDING)
    priority = models.SmallIntegerField(db_default=0)
    content_version = models.IntegerField()
    timeout_seconds = models.IntegerField()
    max_attempts = models.SmallIntegerField()
    retry_delay_seconds = models.IntegerField()
    retry_max_delay_seconds = models.IntegerField()
    attempt = models.SmallIntegerField(db_default=0)
    lost = models.SmallIntegerField(db_default=0)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    leased_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["job_id", "scheduled_for", "kind"],
                condition=models.Q(kind__in=[Kind.SCHEDULED, Kind.BACKFILL]),
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
                fields=["-priority", "run_at", "id"],
                condition=models.Q(state=State.PENDING),
                name="execution_to_claim",
            ),
            models.Index(
                fields=["run_at"], condition=models.Q(state=State.PENDING), name="execution_next_due"
            ),
            models.Index(
                fields=["lease_expires_at"], condition=models.Q(state=State.LEASED), name="execution_to_reap"
            ),
            models.Index(fields=["job_id"], name="execution_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.job_name} at {self.scheduled_for:%Y-%m-%d %H:%M:%S}"


class ExecutionLog(Owned):
    """The ledger: one row per finished execution. No customer content; that is in `ExecutionOutput`."""

    job_id = models.BigIntegerField(null=True)  # type: ignore[assignment]  # null: imported, of no job here
    status = models.CharField(max_length=10, choices=Outcome)
    error_message = models.CharField(max_length=500, null=True)  # noqa: DJ001 - our sentence, never the customer's text
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
    """One try of an execution, written when it ended: by its worker, or by the reaper when its lease expired."""

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
        indexes: ClassVar = [models.Index(fields=["tenant", "-last"], name="skip_of_tenant")]

    def __str__(self) -> str:
        return f"{self.count} of job {self.job_id} skipped: {self.reason}"


class Delta(TenantRow):
    """What one flush of completions adds to the counters. Appended by workers; the leader alone folds.

    What was `imported` counts in a tenant's cumulative totals, but not in those of the leader's term.
    """

    user_key = models.CharField(max_length=200)
    task_type = models.CharField(max_length=200)
    status = models.CharField(max_length=10)
    hour = models.DateTimeField()
    n = models.IntegerField()
    imported = models.BooleanField(db_default=False)

    def __str__(self) -> str:
        return f"+{self.n} {self.status}"


class Counter(TenantRow):
    """Finished executions by user, type, status and hour: exact totals without counting the ledger."""

    user_key = models.CharField(max_length=200)
    task_type = models.CharField(max_length=200)
    status = models.CharField(max_length=10)
    hour = models.DateTimeField()
    n = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user_key", "task_type", "status", "hour"], name="counter_cell"
            )
        ]

    def __str__(self) -> str:
        return f"{self.n} {self.status}"


class Tally(TenantRow):
    """Finished executions of a user by status, or of the whole tenant (`user_key` null): one row to read, at any size.

    The sum of the counters' cells; the statement that folds deltas into those adds here as well.
    """

    user_key = models.CharField(max_length=200, null=True)  # noqa: DJ001
    status = models.CharField(max_length=10)
    n = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user_key", "status"], nulls_distinct=False, name="tally_cell"
            )
        ]

    def __str__(self) -> str:
        return f"{self.n} {self.status}"


class OutcomeNote(TenantRow):
    """What one flush has to tell a job's cursor: appended by workers and the reaper, folded by the leader."""

    job_id = models.BigIntegerField()
    execution_id = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=Outcome)
    error_message = models.CharField(max_length=500, null=True)  # noqa: DJ001
    finished_at = models.DateTimeField()
    successes = models.IntegerField()
    failures = models.IntegerField()
    trailing_failures = models.IntegerField()

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.status}"


class TenantTotals(TenantRow):
    """A tenant's cumulative totals, and the same since the leader's term began (`term_*`)."""

    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    check_cycles = models.BigIntegerField(db_default=0)
    tasks_found = models.BigIntegerField(db_default=0)
    tasks_executed = models.BigIntegerField(db_default=0)
    tasks_failed = models.BigIntegerField(db_default=0)
    tasks_skipped = models.BigIntegerField(db_default=0)
    term_epoch = models.BigIntegerField(null=True)
    term_checks = models.BigIntegerField(db_default=0)
    term_found = models.BigIntegerField(db_default=0)
    term_executed = models.BigIntegerField(db_default=0)
    term_failed = models.BigIntegerField(db_default=0)
    term_skipped = models.BigIntegerField(db_default=0)
    last_check_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "tenant totals"

    def __str__(self) -> str:
        return f"totals of tenant {self.tenant_id}"


class ImportRun(TenantRow):
    """How far the import of one file got. Moved in the transaction of each batch, so that it can be resumed."""

    digest = models.CharField(max_length=64)  # SHA-256 of the file
    size = models.BigIntegerField()  # bytes
    file_name = models.CharField(max_length=500)
    offset = models.BigIntegerField(db_default=0)  # bytes that are done
    lines = models.BigIntegerField(db_default=0)
    accepted = models.BigIntegerField(db_default=0)
    repeated = models.BigIntegerField(db_default=0)  # were in the ledger already, by `source_id`
    rejected = models.BigIntegerField(db_default=0)
    rejects_offset = models.BigIntegerField(db_default=0)  # bytes of the rejects file that are certain
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "digest", "size"], name="import_once_per_file")
        ]

    def __str__(self) -> str:
        return f"{self.file_name}: {self.accepted} accepted, {self.rejected} rejected"
