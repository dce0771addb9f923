"""Every change that a person makes to a notification channel: one transaction, with an audit entry.

The entry has no address and no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError
from apps.jobs.models import Job, Notice, NoticeWanted
from apps.operations.models import Delivery
from apps.operations.notifications.messages import test_content
from apps.tenants.context import tenant_scope
from apps.tenants.identity import both_forms
from apps.tenants.models import Tenant
from apps.tenants.services import NotAsItIs, Refused, audit
from apps.vault.channels import ChannelContent, channel_content_get, channel_content_put
from apps.vault.models import NotificationChannel
from apps.vault.services import new_signing_secret

Kind = NotificationChannel.Kind
TEST_AGAIN = timedelta(minutes=1)
JUST_TESTED = (
    "This channel is being tested, or was a minute ago; its last_sent_at or last_error says how it went."
)
MAX_CHANNELS = 20  # of a tenant
_NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
_PLAIN = ("name", "events", "job_id", "task_type", "user_id", "enabled")
FIELDS = frozenset({*_PLAIN, "address"})


def channels_of(tenant: Tenant) -> QuerySet[NotificationChannel]:
    """In the tenant's scope: the rows are the schema's."""
    return NotificationChannel.objects.all()


def channel_create(
    *, tenant: Tenant, kind: str, fields: Mapping[str, Any], actor: str
) -> tuple[NotificationChannel, str | None]:
    """A new channel, and the secret that signs a webhook's messages, which nobody is shown again. Raises `Refused`."""
    with tenant_scope(tenant), transaction.atomic():
        wanted = _hold(tenant)
        if channels_of(tenant).count() >= MAX_CHANNELS:
            raise Refused(f"A tenant has at most {MAX_CHANNELS} notification channels.")
        columns = _checked(tenant, kind, fields)
        secret = new_signing_secret() if kind == Kind.WEBHOOK else None
        content = ChannelContent(columns.pop("address"), secret)
        channel = NotificationChannel.objects.create(kind=kind, **columns)
        channel_content_put(channel, content)
        channel.save(update_fields=["sealed"])
        channel.refresh_from_db()
        _refresh(tenant, wanted)
        _record(tenant, channel, "create", actor, before=None, after=_state(channel, content))
    return channel, secret


def channel_update(
    *, tenant: Tenant, channel_id: int, changes: Mapping[str, Any], actor: str
) -> NotificationChannel:
    """Raises NotificationChannel.DoesNotExist, `Refused`, and `CannotOpen` where the secret of a webhook is lost."""
    with tenant_scope(tenant), transaction.atomic():
        wanted = _hold(tenant)
        channel = channels_of(tenant).select_for_update().get(pk=channel_id)
        content = channel_content_get(channel)
        before = _state(channel, content)
        columns = _checked(tenant, channel.kind, changes, channel_id=channel_id)
        address = columns.pop("address", content.address)
        moved = address != content.address
        if moved:
            content = ChannelContent(address, content.secret)
            channel_content_put(channel, content)
        for name, value in columns.items():
            setattr(channel, name, value)
        after = _state(channel, content)
        if not moved and before == after:
            return channel
        channel.updated_at = Now()
        channel.save()
        channel.refresh_from_db()
        _refresh(tenant, wanted)
        _record(tenant, channel, "update", actor, before=before, after={**after, "address_changed": moved})
    return channel


def channel_delete(*, tenant: Tenant, channel_id: int, actor: str) -> None:
    """Forget a channel and what is yet to be sent to it. Raises NotificationChannel.DoesNotExist."""
    with tenant_scope(tenant), transaction.atomic():
        wanted = _hold(tenant)
        channel = channels_of(tenant).select_for_update().get(pk=channel_id)
        before = {**_state(channel), "kind": channel.kind}
        pending = Delivery.objects.filter(tenant=tenant, channel_id=channel_id, state=Delivery.State.PENDING)
        pending.delete()
        _record(tenant, channel, "delete", actor, before=before, after=None)
        channel.delete()
        _refresh(tenant, wanted)


def channel_test(*, tenant: Tenant, channel_id: int, actor: str) -> Delivery:
    """Have a worker send a message that says it is a test, also where the channel is off.

    Raises NotificationChannel.DoesNotExist, and NotAsItIs where there was one in the last minute or one is under way.
    """
    with tenant_scope(tenant), transaction.atomic():
        channel = channels_of(tenant).select_for_update().get(pk=channel_id)
        tests = Delivery.objects.filter(tenant=tenant, channel_id=channel_id, is_test=True)
        recent = Q(created_at__gt=Now() - TEST_AGAIN) | Q(state=Delivery.State.PENDING)
        if tests.filter(recent).exists():
            raise NotAsItIs(JUST_TESTED)
        delivery = Delivery.objects.create(
            tenant=tenant, channel_id=channel_id, content=test_content(), is_test=True
        )
        sent: dict[str, Any] = {"test": str(delivery.message_id)}
        _record(tenant, channel, "test", actor, before={}, after=sent)
    return delivery


def address_shown(channel: NotificationChannel, content: ChannelContent) -> str:
    """Of a webhook the host alone: its path or query may be a password of the receiver's."""
    if channel.kind == Kind.EMAIL:
        return content.address
    url = urlsplit(content.address)
    return f"{url.scheme}://{url.netloc}/…"


def _hold(tenant: Tenant) -> NoticeWanted:
    """Changes of a tenant's channels come one after the other."""
    NoticeWanted.objects.get_or_create(tenant=tenant, defaults={"events": []})
    return NoticeWanted.objects.select_for_update().get(tenant=tenant)


def _refresh(tenant: Tenant, wanted: NoticeWanted) -> None:
    asked = channels_of(tenant).filter(enabled=True).values_list("events", flat=True)
    wanted.events = sorted({event for events in asked for event in events})
    wanted.save(update_fields=["events"])


def _checked(
    tenant: Tenant, kind: str, fields: Mapping[str, Any], channel_id: int | None = None
) -> dict[str, Any]:
    """The columns that `fields` names, and the address, in their canonical form. Raises `Refused`."""
    columns = dict(fields)
    if "name" in columns:
        others = channels_of(tenant).filter(name=columns["name"])
        if (others if channel_id is None else others.exclude(pk=channel_id)).exists():
            raise Refused("Another channel of yours has this name.", field="name")
    if "events" in columns:
        chosen = set(columns["events"])
        if not chosen or chosen - set(Notice.Event.values):
            raise Refused(f"Choose from {', '.join(Notice.Event.values)}.", field="events")
        columns["events"] = [event for event in Notice.Event.values if event in chosen]
    if columns.get("job_id") is not None:
        columns["job_id"] = int(columns["job_id"])
        if not Job.objects.filter(tenant=tenant, pk=columns["job_id"], deleted_at=None).exists():
            raise Refused("There is no such job.", field="job_id")
    if columns.get("user_id") is not None:
        columns["user_id"] = both_forms(tenant.pk, columns["user_id"])[0]
    if "address" in columns:
        _check_address(kind, columns["address"])
    return columns


def _check_address(kind: str, address: str) -> None:
    if kind == Kind.EMAIL:
        if settings.EMAIL_BACKEND == _NO_MAIL:
            raise Refused("No email is sent from this installation; use a webhook.", field="kind")
        try:
            validate_email(address)
        except ValidationError:
            raise Refused("This is not an email address.", field="address") from None
    else:
        try:
            AddressPolicy.from_settings().check_url(address)
        except EgressRefusedError as error:
            raise Refused(f"This cannot be called: {error}.", field="address") from None


def _state(channel: NotificationChannel, content: ChannelContent | None = None) -> dict[str, Any]:
    """What the audit trail may say: of the address, the host."""
    state = {name: getattr(channel, name) for name in _PLAIN}
    if content is not None:
        is_mail = channel.kind == Kind.EMAIL
        host = content.address.rpartition("@")[2] if is_mail else urlsplit(content.address).hostname
        state |= {"kind": channel.kind, "host": host}
    return state


def _record(tenant: Tenant, channel: NotificationChannel, verb: str, actor: str, **data: Any) -> None:
    audit(
        actor=actor,
        action=f"notification_channel.{verb}",
        tenant=tenant,
        object_type="notification_channel",
        object_id=channel.pk,
        data=data,
    )
