"""Connected platforms, and the monitoring jobs that they must have."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs.api.access import JobAccess
from apps.jobs.api.body import json_object, only
from apps.jobs.api.platform_schema import (
    OF_USER,
    PLATFORM,
    USER_ID,
    ConnectionBodyShape,
    ConnectionListShape,
    ConnectionShape,
    PlatformStatusShape,
    ReconciledShape,
)
from apps.jobs.api.schema import ReasonShape
from apps.jobs.platforms import registry, services
from apps.jobs.platforms.content import DISCONNECTED, ConnectionRefused
from apps.jobs.platforms.payloads import connection_payloads, reconciliation_payload, status_payload
from apps.tenants.api.access import listed_user, member_of, own_user_id, path_user
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape
from apps.vault.connections import connection_of, connections_of
from apps.vault.models import Connection

_BODY = frozenset({"credentials", "label", "settings"})
_CREDENTIALS = OpenApiExample(
    "connect",
    value={
        "credentials": {"refresh_token": "…"},
        "label": "Our shop",
        "settings": {"site": "https://shop.example"},
    },
    request_only=True,
)


class PlatformAccess(JobAccess):
    def handle_exception(self, exc: Exception) -> Response:
        match exc:
            case ConnectionRefused():
                exc = InvalidFields(exc.errors)
            case registry.UnknownPlatform():
                exc = NotFound(str(exc))
            case services.NotConnected():
                exc = NotFound("This platform is not connected.")
        return super().handle_exception(exc)


class ConnectionViewSet(PlatformAccess):
    lookup_url_kwarg = "platform"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="connections_list",
        parameters=[OF_USER, *PAGING],
        responses={200: ConnectionListShape, 400: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The platforms that the member has connected; the tenant's for admins and owners."""
        tenant, user_id = member_of(request).tenant, listed_user(request, request.query_params.get("user_id"))
        rows = connections_of(tenant.pk, user_id=user_id)
        page = envelope(
            rows, request, "connections", lambda page: connection_payloads(tenant, page), order=("-id",)
        )
        return Response(page)

    @extend_schema(
        operation_id="connections_read",
        parameters=[PLATFORM, OF_USER],
        responses={200: ConnectionShape, 400: ErrorShape, 404: ErrorShape},
    )
    def retrieve(self, request: Request, platform: str) -> Response:
        """The member's connection; admins and owners may name another user. Credentials are never shown."""
        tenant, user_id = member_of(request).tenant, _whose(request)
        registry.get(platform)
        connection = connection_of(tenant.pk, user_id, platform)
        if connection is None:
            raise services.NotConnected
        return _response(request, connection)

    @extend_schema(
        operation_id="connections_put",
        parameters=[PLATFORM, OF_USER],
        request=ConnectionBodyShape,
        responses={200: ConnectionShape, 201: ConnectionShape, 400: ErrorShape, 404: ErrorShape},
        examples=[_CREDENTIALS],
    )
    def update(self, request: Request, platform: str) -> Response:
        """Connect the platform (201), or replace what the connection holds (200).

        Credentials go in and do not come out. Left out of a replacement, those there are stay. Connecting makes no
        monitoring job: reconcile does.
        """
        member, user_id = member_of(request), _whose(request)
        given: dict[str, Any] = dict(only(json_object(request), _BODY))
        connection, is_new = services.connection_put(
            tenant=member.tenant, user_id=user_id, platform=platform, actor=member.actor, **given
        )
        return _response(
            request, connection, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        )

    @extend_schema(
        operation_id="connections_delete",
        parameters=[PLATFORM, OF_USER],
        request=None,
        responses={200: ConnectionShape, 400: ErrorShape, 404: ErrorShape},
    )
    def destroy(self, request: Request, platform: str) -> Response:
        """Forget the connection and its credentials; the answer is what it was. Its monitoring job is paused, and goes
        on when the platform is connected again and reconciled.
        """
        member, user_id = member_of(request), _whose(request)
        connection = services.connection_delete(
            tenant=member.tenant, user_id=user_id, platform=platform, actor=member.actor
        )
        return _response(request, connection, shown_as=DISCONNECTED)


class PlatformInsightsViewSet(PlatformAccess):
    @extend_schema(
        operation_id="platform_insights_status",
        parameters=[USER_ID],
        responses={200: PlatformStatusShape, 400: ErrorShape},
    )
    @action(detail=False, url_path="status/(?P<user_id>[^/]+)", url_name="status")
    def insights_status(self, request: Request, user_id: str) -> Response:
        """The monitoring jobs of the user's connected platforms, and which of these have none. Creates nothing."""
        return Response(status_payload(member_of(request).tenant, path_user(request, user_id)))

    @extend_schema(
        operation_id="platform_insights_reconcile",
        parameters=[USER_ID],
        request=ReasonShape,
        responses={200: ReconciledShape, 400: ErrorShape},
    )
    @action(detail=False, methods=["post"], url_path="reconcile/(?P<user_id>[^/]+)", url_name="reconcile")
    def reconcile(self, request: Request, user_id: str) -> Response:
        """Make the monitoring jobs that are missing. Asking again, or twice at once, makes no second one."""
        member, user = member_of(request), path_user(request, user_id)
        reason: Any = only(json_object(request), frozenset({"reason"})).get("reason", "")
        done = services.user_reconcile(tenant=member.tenant, user_id=user, actor=member.actor, reason=reason)
        return Response(reconciliation_payload(done))


def _whose(request: Request) -> str:
    """Whose connection is meant: the member's own unless an admin names another user."""
    member = member_of(request)
    user_id: str = own_user_id(member, request.query_params.get("user_id") or member.user_id)
    return user_id


def _response(
    request: Request, connection: Connection, *, status: int = 200, shown_as: str | None = None
) -> Response:
    [payload] = connection_payloads(member_of(request).tenant, [connection])
    return Response(payload | ({"status": shown_as} if shown_as else {}), status=status)
