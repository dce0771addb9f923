"""Tables of operations."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


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
