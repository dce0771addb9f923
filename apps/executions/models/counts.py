"""Exact totals without counting the ledger: what completions append, and what the leader folds it into."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.executions.models.owned import TenantRow
from apps.executions.states import Outcome


class Delta(TenantRow):
    """What one flush of completions adds to the counters. Appended by workers; the leader alone folds.

    What was `imported` counts in a tenant's cumulative totals, but not in those of the leader's term. What is `retired`
    is below zero: rows that retention deleted, which cumulative totals go on counting. `fired`: how many of the `n` a
    leader found due.
    """

    user_key = models.CharField(max_length=200)
    task_type = models.CharField(max_length=200)
    status = models.CharField(max_length=10)
    hour = models.DateTimeField()
    n = models.IntegerField()
    fired = models.IntegerField(db_default=0)
    imported = models.BooleanField(db_default=False)
    retired = models.BooleanField(db_default=False)

    def __str__(self) -> str:
        return f"+{self.n} {self.status}"


class Counter(TenantRow):
    """Finished executions by user, type, status and hour: exact totals without counting the ledger."""

    user_key = models.CharField(max_length=200)
    task_type = models.CharField(max_length=200)
    status = models.CharField(max_length=10)
    hour = models.DateTimeField()
    n = models.BigIntegerField()
    fired = models.BigIntegerField(db_default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user_key", "task_type", "status", "hour"], name="counter_cell"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "hour"], name="counter_of_tenant"),  # retention's
            models.Index(fields=["hour"], name="counter_of_hour"),  # on-call's, over all tenants
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
    gone_version = models.IntegerField(
        null=True
    )  # of the content whose endpoint said that it will not be back

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.status}"


class Usage(TenantRow):
    """How many executions a tenant's quota was charged in a minute or a day (UTC) that `begins`.

    The leader and the API count in rows of their own, so that neither waits for the other.
    """

    class Period(models.TextChoices):
        MINUTE = "minute"
        DAY = "day"

    class By(models.TextChoices):
        SCHEDULE = "schedule"
        REQUEST = "request"

    period = models.CharField(max_length=10, choices=Period)
    begins = models.DateTimeField()
    by = models.CharField(max_length=10, choices=By)
    n = models.IntegerField()

    class Meta:
        verbose_name_plural = "usage"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "period", "begins", "by"], name="usage_cell")
        ]

    def __str__(self) -> str:
        return f"{self.n} in the {self.period} of {self.begins:%Y-%m-%d %H:%M}"


class TenantTotals(TenantRow):
    """A tenant's cumulative totals, and the same since the leader's term began (`term_*`).

    `retired_*` is the part of which retention has deleted the history.
    """

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
    retired_found = models.BigIntegerField(db_default=0)
    retired_executed = models.BigIntegerField(db_default=0)
    retired_failed = models.BigIntegerField(db_default=0)
    retired_skipped = models.BigIntegerField(db_default=0)
    last_check_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "tenant totals"

    def __str__(self) -> str:
        return f"totals of tenant {self.tenant_id}"
