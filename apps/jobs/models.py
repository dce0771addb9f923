"""A job is what a tenant asked; its cursor is how far the scheduler got with it. Both are made in one transaction."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Cast, Coalesce, Now

from apps.executions.states import Outcome
from apps.jobs.states import (
    ENDPOINT_GONE,
    FAILING_IN_A_ROW,
    DstGap,
    DstOverlap,
    Misfire,
    Overlap,
    Switch,
    Trigger,
)

PLATFORM_CATEGORY = "platform_insights"  # the monitoring jobs of connected platforms


class Job(models.Model):
    """Written through `jobs.services` alone. `version` counts edits and is the job's ETag.

    A deleted job keeps its row (`deleted_at`), so that its history still names it; nothing lists or runs it.
    """

    id: int
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, related_name="+")
    tenant_id: int
    name = models.CharField(max_length=200)
    external_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - where an import found it
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001
    legacy_user_id = models.BigIntegerField(null=True)
    version = models.IntegerField(db_default=1)

    trigger_type = models.CharField(max_length=10, choices=Trigger)
    cron_expression = models.CharField(max_length=256, blank=True, db_default="")
    timezone = models.CharField(max_length=64, db_default="UTC")
    interval_seconds = models.PositiveIntegerField(null=True)
    anchor_at = models.DateTimeField(null=True)
    run_date = models.DateTimeField(null=True)
    dst_gap = models.CharField(max_length=10, choices=DstGap, db_default=DstGap.NEXT_VALID)
    dst_overlap = models.CharField(max_length=10, choices=DstOverlap, db_default=DstOverlap.FIRST)
    starts_at = models.DateTimeField(null=True)  # the schedule names no time before it
    ends_at = models.DateTimeField(null=True)  # nor after it
    calendar = models.ForeignKey(
        "jobs.Calendar", on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    calendar_id: int | None
    jitter_seconds = models.PositiveIntegerField(db_default=0)

    target = models.CharField(max_length=200)  # a registered task's name
    task_type = models.CharField(max_length=200)
    task_category = models.CharField(max_length=100, db_default="general")
    platform = models.CharField(max_length=50, null=True)  # noqa: DJ001
    website_url = models.CharField(max_length=2000, null=True)  # noqa: DJ001
    content_version = models.IntegerField(db_default=1)

    misfire = models.CharField(max_length=10, choices=Misfire, db_default=Misfire.FIRE_ONCE)
    misfire_grace_seconds = models.PositiveIntegerField(db_default=15)
    misfire_max_runs = models.PositiveSmallIntegerField(db_default=100)  # of fire_all, the latest
    misfire_pace_seconds = models.PositiveIntegerField(db_default=1)  # between two of them
    overlap = models.CharField(max_length=10, choices=Overlap, db_default=Overlap.SKIP)
    timeout_seconds = models.PositiveIntegerField(db_default=60)
    max_attempts = models.PositiveSmallIntegerField(db_default=1)
    retry_delay_seconds = models.PositiveIntegerField(db_default=10)
    retry_max_delay_seconds = models.PositiveIntegerField(db_default=3600)
    priority = models.SmallIntegerField(db_default=0)
    max_concurrency = models.PositiveSmallIntegerField(null=True)
    cool_off_after = models.PositiveSmallIntegerField(db_default=5)  # failures in a row; 0: never
    cool_off_seconds = models.PositiveIntegerField(db_default=300)  # the first; doubled up to a day

    switch = models.CharField(max_length=10, choices=Switch, db_default=Switch.ACTIVE)
    pause_reason = models.CharField(max_length=500, blank=True, db_default="")
    paused_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    schedule_since = models.DateTimeField(db_default=Now())  # when the schedule as it is now took effect
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "id"], name="job_tenant_id"),
            models.UniqueConstraint(
                fields=["tenant", "external_key"],
                condition=models.Q(deleted_at=None),
                name="job_one_per_external_key",
            ),
            models.UniqueConstraint(
                "tenant",
                Coalesce("user_id", Cast("legacy_user_id", models.CharField())),
                "platform",
                condition=models.Q(task_category=PLATFORM_CATEGORY, deleted_at=None),
                name="job_one_per_connected_platform",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["tenant", "user_id", "id"], condition=models.Q(deleted_at=None), name="job_of_user"
            ),
            models.Index(
                fields=["tenant", "legacy_user_id"],
                condition=models.Q(deleted_at=None, legacy_user_id__isnull=False),
                name="job_of_legacy_user",
            ),
            # The pulse: what was changed last, deleted jobs too, and what the scheduler itself has switched off.
            models.Index(fields=["tenant", "updated_at"], name="job_changed"),
            models.Index(fields=["tenant", "user_id", "updated_at"], name="job_changed_of_user"),
            models.Index(
                fields=["tenant", "id"],
                condition=models.Q(switch=Switch.PAUSED, pause_reason=ENDPOINT_GONE),
                name="job_gone",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Calendar(models.Model):
    """Times at which the jobs that name it do not run. `blackouts` is a list of {from, to, reason}: local times of
    `timezone` in ISO 8601 without an offset, `to` excluded.
    """

    id: int
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False)
    tenant_id: int
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, db_default="UTC")
    blackouts = models.JSONField(default=list)
    version = models.IntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="calendar_one_per_name"),
            models.UniqueConstraint(fields=["tenant", "id"], name="calendar_tenant_id"),
        ]

    def __str__(self) -> str:
        return self.name


class Cursor(models.Model):
    """Written by the loop, by reconcile, and by the services that make, pause, resume and edit jobs.

    `next_run_at` is the next nominal time that has no outcome yet; null means that the schedule asks for nothing: it is
    paused, quarantined, over, or manual. `paused_from` is what it was when the job was paused.
    """

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="cursor", db_constraint=False
    )
    job_id: int
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False)
    tenant_id: int
    version = models.IntegerField(db_default=1)  # the job's: who holds the cursor sees an edit
    lane = models.PositiveSmallIntegerField(db_default=1)  # digits of the job's place among its tenant's
    next_run_at = models.DateTimeField(null=True)
    last_scheduled_for = models.DateTimeField(null=True)
    paused_from = models.DateTimeField(null=True)
    last_status = models.CharField(max_length=10, choices=Outcome, null=True)  # noqa: DJ001
    last_finished_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    failure_reason = models.CharField(max_length=500, null=True)  # noqa: DJ001
    consecutive_failures = models.IntegerField(db_default=0)
    cool_off_until = models.DateTimeField(null=True)  # past: half open, the next run is a probe
    cool_offs = models.PositiveSmallIntegerField(db_default=0)  # since the last success
    quarantined_at = models.DateTimeField(null=True)
    quarantine_reason = models.CharField(max_length=500, blank=True, db_default="")
    journaled_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["lane", "next_run_at"],
                condition=models.Q(next_run_at__isnull=False),
                name="cursor_due",
            ),
            models.Index(
                fields=["tenant", "next_run_at", "job"], name="cursor_next_of_tenant"
            ),  # the dashboard
            # The pulse: jobs that may need somebody. Few have an entry, and a success changes none of its columns.
            models.Index(
                fields=["tenant", "job"],
                condition=models.Q(consecutive_failures__gte=FAILING_IN_A_ROW)
                | models.Q(cool_off_until__isnull=False)
                | models.Q(quarantined_at__isnull=False),
                name="cursor_needy",
            ),
        ]

    def __str__(self) -> str:
        return f"cursor of job {self.job_id}"


class NoticeWanted(models.Model):
    """What any channel of a tenant asks for. Tenants without channels have no row, and nothing is kept for them."""

    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    tenant_id: int
    events = ArrayField(models.CharField(max_length=10))
    gathered_at = models.DateTimeField(null=True)  # when notices were last made into messages

    def __str__(self) -> str:
        return f"notices for tenant {self.tenant_id}"


class Notice(models.Model):
    """Something that a tenant is to be told of a job, and has not been put into a message yet."""

    class Event(models.TextChoices):
        FAILURE = "failure"
        RECOVERY = "recovery"
        COOL_OFF = "cool_off"

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    tenant_id: int
    event = models.CharField(max_length=10, choices=Event)
    at = models.DateTimeField()
    job_id = models.BigIntegerField()
    job_name = models.CharField(max_length=200)
    task_type = models.CharField(max_length=200)
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001
    legacy_user_id = models.BigIntegerField(null=True)
    failures = models.IntegerField()  # in a row
    reason = models.CharField(max_length=500, null=True)  # noqa: DJ001
    cool_off_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["tenant", "id"], name="notice_of_tenant")]

    def __str__(self) -> str:
        return f"{self.event} of job {self.job_id}"
