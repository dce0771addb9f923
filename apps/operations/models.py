"""What on-call's tools remember, and messages on their way to tenants."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class AlertState(models.Model):
    """How an alert of `apps.operations.alerts` stands, by the database's clock. Nothing of a tenant's is in it."""

    name = models.CharField(max_length=60, primary_key=True)
    pending_since = models.DateTimeField(null=True)  # since when its condition has held; null: it does not
    firing_since = models.DateTimeField(null=True)
    value = models.FloatField(null=True)  # null: there was nothing to compare
    evaluated_at = models.DateTimeField(null=True)
    mailed = models.BooleanField(
        db_default=False
    )  # on-call was mailed that it fires, and not yet that it ended

    def __str__(self) -> str:
        return self.name


class Evidence(models.Model):
    """How a run of a row of the test matrix ended, for releases without a checkout. Holds nothing of a tenant's."""

    row = models.CharField(max_length=20)
    commit = models.CharField(max_length=40)
    clean_tree = models.BooleanField()
    complete = models.BooleanField()
    passed = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    skipped = models.PositiveIntegerField()
    seconds = models.FloatField()
    postgres = models.CharField(max_length=20, blank=True)
    ran_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "evidence"
        indexes: ClassVar = [models.Index(fields=["row", "-ran_at"], name="evidence_of_row")]

    def __str__(self) -> str:
        return f"row {self.row} on {self.commit[:12]}"


class Delivery(models.Model):
    """A message to one channel of a tenant, from when it is made until it has arrived or was given up.

    `message_id` is the webhook's id and stays the same over retries. While it is sent, `lease_token` is the sender's,
    and `due_at` is when another may try.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        GIVEN_UP = "given_up"

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    tenant_id: int
    channel_id = models.BigIntegerField()
    message_id = models.UUIDField(default=uuid.uuid4, unique=True)
    content = models.JSONField()  # see `notifications.messages`
    is_test = models.BooleanField(db_default=False)
    state = models.CharField(max_length=10, choices=State, db_default=State.PENDING)
    attempts = models.PositiveIntegerField(db_default=0)
    due_at = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=models.Q(state="pending"), name="delivery_due"),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(finished_at__isnull=False),
                name="delivery_finished",
            ),
            models.Index(fields=["tenant", "channel_id", "created_at"], name="delivery_of_channel"),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}"


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


class Acknowledgement(models.Model):
    """That somebody has read a runbook: its bytes, by their hash. Row security lets nobody change or delete one.

    Holds nothing of a tenant's, and no tenant sees it.
    """

    document = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["document", "-id"], name="acknowledged_document")]

    def __str__(self) -> str:
        return f"{self.actor} read {self.document}"
