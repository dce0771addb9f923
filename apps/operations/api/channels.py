"""Notification channels: list, make, read, change, delete, try. For admins and owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs.models import Notice
from apps.operations.api.channels_schema import (
    CHANNEL_ID,
    ChannelBodyShape,
    ChannelChangeShape,
    ChannelListShape,
    ChannelShape,
    ChannelTestShape,
    NewChannelShape,
)
from apps.operations.notifications import channels as services
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.errors import Conflict
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape
from apps.tenants.api.self_service import SelfService, named
from apps.tenants.crypto import CannotOpen
from apps.vault.channels import channel_content_get
from apps.vault.models import NotificationChannel

_REFUSED = {400: ErrorShape, 403: ErrorShape}
_REFUSED_ONE = {403: ErrorShape, 404: ErrorShape}
_DEFAULTS = {"events": Notice.Event.values, "enabled": True}


class NotificationChannelViewSet(SelfService):
    lookup_url_kwarg = "channel_id"

    def handle_exception(self, exc: Exception) -> Response:
        match exc:
            case NotificationChannel.DoesNotExist():
                exc = NotFound("There is nothing with this id.")
            case CannotOpen():
                exc = Conflict(
                    "What this channel holds cannot be opened any more; delete it and make another."
                )
        return super().handle_exception(exc)

    @extend_schema(
        operation_id="notification_channels_list",
        parameters=PAGING,
        responses={200: ChannelListShape, **_REFUSED},
    )
    def list(self, request: Request) -> Response:
        """Where the tenant is told of its jobs, newest first."""
        rows = services.channels_of(member_of(request).tenant)
        return Response(envelope(rows, request, "notification_channels", _shown, order=("-id",)))

    @extend_schema(
        operation_id="notification_channels_create",
        request=ChannelBodyShape,
        responses={201: NewChannelShape, **_REFUSED},
    )
    def create(self, request: Request) -> Response:
        """A new channel. `secret` is in this answer alone."""
        member, asked = member_of(request), checked(ChannelBodyShape, request)
        kind = asked.pop("kind")
        channel, secret = services.channel_create(
            tenant=member.tenant, kind=kind, fields={**_DEFAULTS, **asked}, actor=member.actor
        )
        payload = {**_shown([channel])[0], "secret": secret}
        return Response(payload, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="notification_channels_read",
        parameters=[CHANNEL_ID],
        responses={200: ChannelShape, **_REFUSED_ONE},
    )
    def retrieve(self, request: Request, channel_id: str) -> Response:
        """One channel, and how its last message fared."""
        return Response(_shown([named(services.channels_of(member_of(request).tenant), channel_id)])[0])

    @extend_schema(
        operation_id="notification_channels_change",
        parameters=[CHANNEL_ID],
        request=ChannelChangeShape,
        responses={200: ChannelShape, **_REFUSED, 404: ErrorShape, 409: ErrorShape},
    )
    def partial_update(self, request: Request, channel_id: str) -> Response:
        """Change the fields that the body names. The kind and the secret stay."""
        member, asked = member_of(request), checked(ChannelChangeShape, request)
        channel = services.channel_update(
            tenant=member.tenant, channel_id=int(channel_id), changes=asked, actor=member.actor
        )
        return Response(_shown([channel])[0])

    @extend_schema(
        operation_id="notification_channels_delete",
        parameters=[CHANNEL_ID],
        request=None,
        responses={200: ChannelShape, **_REFUSED_ONE},
    )
    def destroy(self, request: Request, channel_id: str) -> Response:
        """Forget a channel and what is yet to be sent to it; the answer is what it was."""
        member = member_of(request)
        payload = _shown([named(services.channels_of(member.tenant), channel_id)])[0]
        services.channel_delete(tenant=member.tenant, channel_id=int(channel_id), actor=member.actor)
        return Response(payload)

    @extend_schema(
        operation_id="notification_channels_test",
        parameters=[CHANNEL_ID],
        request=None,
        responses={202: ChannelTestShape, **_REFUSED, 404: ErrorShape, 409: ErrorShape},
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, channel_id: str) -> Response:
        """Have a worker send a test. The channel's `last_sent_at` or `last_error` says how it went."""
        member = member_of(request)
        delivery = services.channel_test(tenant=member.tenant, channel_id=int(channel_id), actor=member.actor)
        payload = {"message_id": delivery.message_id, "status": delivery.state}
        return Response(payload, status=status.HTTP_202_ACCEPTED)


def _shown(channels: Sequence[NotificationChannel]) -> list[dict[str, Any]]:
    return [
        {
            "id": channel.pk,
            "name": channel.name,
            "kind": channel.kind,
            "address": _address(channel),
            "events": channel.events,
            "job_id": None if channel.job_id is None else str(channel.job_id),
            "task_type": channel.task_type,
            "user_id": channel.user_id,
            "enabled": channel.enabled,
            "last_sent_at": channel.last_sent_at,
            "last_error": channel.last_error,
            "last_error_at": channel.last_error_at,
            "created_at": channel.created_at,
            "updated_at": channel.updated_at,
        }
        for channel in channels
    ]


def _address(channel: NotificationChannel) -> str | None:
    try:
        return services.address_shown(channel, channel_content_get(channel))
    except CannotOpen:
        return None
