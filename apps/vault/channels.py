"""What a notification channel holds in confidence. Call these inside `tenant_scope(tenant)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.tenants.context import current_schema_name
from apps.tenants.crypto import open_sealed, seal
from apps.vault.labels import channel_label
from apps.vault.models import NotificationChannel


@dataclass(frozen=True, slots=True)
class ChannelContent:
    """Where to send, and the secret that signs a webhook's messages. Neither is in its repr."""

    address: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


def channel_content_put(channel: NotificationChannel, content: ChannelContent) -> None:
    """Seal `content` into a channel that has its id."""
    value = {"address": content.address, "secret": content.secret}
    channel.sealed = seal(current_schema_name(), channel_label(channel.pk), value)


def channel_content_get(channel: NotificationChannel) -> ChannelContent:
    """Raises `CannotOpen`."""
    value: dict[str, Any] = open_sealed(
        current_schema_name(), channel_label(channel.pk), channel.sealed or b""
    )
    return ChannelContent(**value)
