"""Delivering messages: claim under a lease, send outside of any transaction, say what became of it.

A sender that dies in between leaves its messages to the next one after the lease; they go out again under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import Counter

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from apps.operations.models import Delivery
from apps.operations.notifications import messages, statements
from apps.operations.notifications.gathering import APART, WAIT, gather
from apps.operations.notifications.statements import Claimed
from apps.operations.notifications.transports import Failed, Message, SentMail, SentWebhook, send_all
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import CannotOpen
from apps.tenants.models import Tenant
from apps.vault.channels import channel_content_get
from apps.vault.models import NotificationChannel

logger = logging.getLogger(__name__)
State = Delivery.State
LEASE = 120.0  # seconds; a batch is over sooner
BATCH = 20  # messages that are sent at the same time
FIRST_RETRY, LONGEST_RETRY = 15.0, 3600.0
GIVE_UP = 86_400.0  # seconds of age after which nothing is tried again
KEPT = 7 * 86_400.0  # seconds that a finished message is remembered, without its content
UPKEEP_EVERY = 600.0
_PRUNED_AT_ONCE = 1_000
_CLOSED = Failed("The address cannot be opened with the configured keys.")
_UNREADABLE = Failed("The channel could not be read.")


class NotificationChore:
    """Makes messages of what happened and sends those that are due. Any number of workers may."""

    name = "notifications"

    def __init__(
        self,
        stopping: threading.Event | None = None,
        interval: float | None = None,
        *,
        wait: float = WAIT,
        apart: float = APART,
    ) -> None:
        self.interval = settings.NOTIFICATION_INTERVAL if interval is None else interval
        self._stopping = stopping or threading.Event()
        self._wait, self._apart = wait, apart
        self._upkeep_due = 0.0

    def run_once(self) -> dict[str, int]:
        """How many messages were made, sent, put off, given up, dropped."""
        counts: Counter[str] = Counter(made=gather(wait=self._wait, apart=self._apart))
        while not self._stopping.is_set() and (batch := _claim()):
            counts.update(_deliver(batch))
            if len(batch) < BATCH:
                break
        if time.monotonic() >= self._upkeep_due:
            counts.update(_upkeep())
            self._upkeep_due = time.monotonic() + UPKEEP_EVERY
        return {name: n for name, n in counts.items() if n}


def _claim() -> list[Claimed]:
    with all_tenants_scope():
        return statements.claim_deliveries(lease=LEASE, limit=BATCH)


def _deliver(batch: list[Claimed]) -> Counter[str]:
    counts: Counter[str] = Counter()
    with all_tenants_scope():
        tenants = Tenant.objects.in_bulk({claimed.tenant_id for claimed in batch})
    ready: list[tuple[Claimed, Message]] = []
    for claimed in batch:
        tenant = tenants[claimed.tenant_id]
        try:
            prepared = _prepared(tenant, claimed)
        except DatabaseError:
            if connection.connection is None or connection.connection.closed:
                raise  # the database is away, and whatever is claimed waits for the end of its lease
            logger.exception("a notification channel of %s could not be read", tenant.schema_name)
            prepared = _UNREADABLE
        if prepared is None:
            with all_tenants_scope():
                Delivery.objects.filter(pk=claimed.id, lease_token=claimed.token).delete()
            counts["dropped"] += 1
        elif isinstance(prepared, Failed):
            counts[_settle(tenant, claimed, prepared)] += 1
        else:
            ready.append((claimed, prepared))
    if ready:
        results = asyncio.run(send_all([message for _, message in ready]))
        for (claimed, _), outcome in zip(ready, results, strict=True):
            counts[_settle(tenants[claimed.tenant_id], claimed, outcome)] += 1
    return counts


def _prepared(tenant: Tenant, claimed: Claimed) -> Message | Failed | None:
    """What is to be sent, or why it cannot be; None where the channel is gone or off."""
    with tenant_scope(tenant):
        channel = NotificationChannel.objects.filter(pk=claimed.channel_id).first()
        if channel is None or not (channel.enabled or claimed.is_test):
            return None
        try:
            content = channel_content_get(channel)
        except CannotOpen:
            return _CLOSED
    said = {"tenant": tenant.schema_name, "channel": channel.name, "is_test": claimed.is_test}
    message_id = str(claimed.message_id)
    if channel.kind == NotificationChannel.Kind.EMAIL:
        return SentMail(content.address, message_id, messages.mail(claimed.content, **said))
    body = messages.webhook_body(claimed.content, created_at=claimed.created_at, **said)
    return SentWebhook(content.address, content.secret or "", message_id, body, claimed.claimed_at)


def _settle(tenant: Tenant, claimed: Claimed, failed: Failed | None) -> str:
    """What became of it, for the counts."""
    state = State.SENT if failed is None else State.GIVEN_UP if failed.for_good else State.PENDING
    with all_tenants_scope():
        now = statements.settle_delivery(
            claimed, state=state, retry_in=_backoff(claimed.attempts), give_up=GIVE_UP
        )
    if now is None:
        return "lost"  # somebody else has it by now, and sends it under the same id
    _remember(tenant, claimed.channel_id, failed)
    if now == State.GIVEN_UP and failed is not None:
        logger.warning(
            "a message of tenant %s was given up after %d tries: %s",
            tenant.schema_name,
            claimed.attempts,
            failed.sentence,
        )
    return "put_off" if now == State.PENDING else str(now)


def _remember(tenant: Tenant, channel_id: int, failed: Failed | None) -> None:
    """For the channel's owner: how the last message fared. Not worth a message that would be sent again."""
    try:
        with tenant_scope(tenant):
            channel = NotificationChannel.objects.filter(pk=channel_id)
            if failed is None:
                channel.update(last_sent_at=Now(), last_error=None)
            else:
                channel.update(last_error=failed.sentence[:500], last_error_at=Now())
    except DatabaseError:
        logger.exception("a notification channel of %s could not be written to", tenant.schema_name)


def _backoff(attempts: int) -> float:
    """Doubles up to an hour, each shortened by up to a quarter so that what failed together does not come together."""
    longest = min(FIRST_RETRY * 2.0 ** min(attempts - 1, 20), LONGEST_RETRY)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret


def _upkeep() -> dict[str, int]:
    with all_tenants_scope():
        return {
            "expired": statements.expire_deliveries(give_up=GIVE_UP, limit=_PRUNED_AT_ONCE),
            "forgotten": statements.delete_deliveries(kept=KEPT, limit=_PRUNED_AT_ONCE),
            "untold": statements.delete_notices(give_up=GIVE_UP, limit=_PRUNED_AT_ONCE),
        }
