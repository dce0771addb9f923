"""Terms of leadership and the scheduler's journal."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

ONE_OPEN = "term_one_open"


class LeaderTerm(models.Model):
    """One replica's time as leader. Carries no row security: standbys read it before anything else.

    `epoch` orders terms; `term_id` tells two terms apart even when a failover to a lagging standby took the counter
    back. Times are the database's clock.
    """

    epoch = models.BigAutoField(primary_key=True)
    term_id = models.UUIDField(unique=True)
    replica = models.CharField(max_length=200)
    host = models.CharField(max_length=255)
    process_id = models.IntegerField()
    backend_pid = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=200, blank=True, db_default="")
    # Why an operator wants this term to end; the leader reads it with its next fence or heartbeat.
    step_down_reason = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        indexes: ClassVar = [
            # Read by every standby poll and by `status`.
            models.Index(fields=["-epoch"], condition=models.Q(ended_at=None), name="term_open"),
        ]
        constraints: ClassVar = [
            # The lock sees to that already, unless a session loses it and lives on while it opens its term.
            models.UniqueConstraint(
                fields=["ended_at"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name=ONE_OPEN,
            ),
        ]

    def __str__(self) -> str:
        return f"epoch {self.epoch} ({self.replica})"


class RefusedWrite(models.Model):
    """What somebody wanted to commit whose time was over: a leader after its term, a worker without its lease.

    Nothing of it was written; that it was tried is worth knowing. Holds nothing of a tenant's.
    """

    class Actor(models.TextChoices):
        LEADER = "leader"
        WORKER = "worker"

    class What(models.TextChoices):
        TERM_OVER = "term_over", "a leader's transaction after its term"
        STALE_LEASE = "stale_lease", "the end of a run whose lease had gone"
        LATE_RENEWAL = "late_renewal", "the renewal of a lease that had been taken back"
        SECOND_END = "second_end", "the end of a tick that had ended before"

    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=10, choices=Actor)
    name = models.CharField(max_length=200)
    what = models.CharField(max_length=20, choices=What)
    count = models.IntegerField()
    epoch = models.BigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["at"], name="refused_by_age")]

    def __str__(self) -> str:
        return f"{self.name}: {self.what}, {self.count}"


class SchedulerEvent(models.Model):
    """A line of the journal. Rows without a tenant are the scheduler's own and seen by on-call alone."""

    class Type(models.TextChoices):
        CHECK_CYCLE = "check_cycle"
        INTERVAL_ADJUSTMENT = "interval_adjustment"
        START = "start"
        STOP = "stop"
        JOB_SCHEDULED = "job_scheduled"
        JOB_CANCELLED = "job_cancelled"
        JOB_COMPLETED = "job_completed"
        JOB_FAILED = "job_failed"

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, null=True, related_name="+")
    event_type = models.CharField(max_length=30, choices=Type)
    event_date = models.DateTimeField(db_default=Now())
    epoch = models.BigIntegerField(null=True)
    check_cycle_number = models.BigIntegerField(null=True)
    check_interval_minutes = models.FloatField(null=True)
    previous_interval_minutes = models.FloatField(null=True)
    new_interval_minutes = models.FloatField(null=True)
    tasks_found = models.IntegerField(null=True)
    tasks_executed = models.IntegerField(null=True)
    tasks_failed = models.IntegerField(null=True)
    tasks_by_type = models.JSONField(null=True)
    check_duration_seconds = models.FloatField(null=True)
    active_strategies_count = models.IntegerField(null=True)
    active_executions = models.IntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    job_type = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null where it does not apply
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001
    legacy_user_id = models.BigIntegerField(null=True)
    event_data = models.JSONField(null=True)
    error_message = models.TextField(null=True)  # noqa: DJ001
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-event_date", "-id"], name="event_of_tenant"),
            models.Index(fields=["tenant", "event_type", "-event_date"], name="event_of_tenant_by_type"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_date:%Y-%m-%d %H:%M:%S}"
