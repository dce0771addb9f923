"""The tenant's journal: how much there is, and a way to let go of what is old."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.operations.api.schema import CleanupShape, EventStatisticsShape
from apps.operations.event_logs import event_logs_cleanup, event_statistics
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.body import only
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.schema import ErrorShape, Shape
from apps.tenants.api.views import TenantView
from apps.tenants.permissions import IsAdmin

DEFAULT_DAYS = 90


class CleanupQuery(Shape):
    older_than_days = serializers.IntegerField(
        required=False, default=DEFAULT_DAYS, min_value=1, max_value=365, help_text="Delete what is older."
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Only say how many.")


class EventStatistics(TenantView):
    @extend_schema(
        operation_id="event_logs_stats",
        parameters=[
            OpenApiParameter("user_id", str, description="For admins and owners; members see their own.")
        ],
        responses={200: EventStatisticsShape, 400: ErrorShape},
    )
    def get(self, request: Request) -> Response:
        """How many events there are of each type, and from when to when; for members, those of their own jobs."""
        user_id = listed_user(request, request.query_params.get("user_id"))
        return Response(event_statistics(member_of(request).tenant, user_id))


class EventCleanup(TenantView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="event_logs_cleanup",
        parameters=[CleanupQuery],
        request=None,
        responses={200: CleanupShape, 400: ErrorShape},
    )
    def post(self, request: Request) -> Response:
        """Delete the tenant's events that are older than so many days, or say how many that would be."""
        if request.data:
            raise InvalidFields({"non_field_errors": "What to delete belongs in the query string."})
        asked = only(
            request.query_params.dict(), frozenset(CleanupQuery().fields)
        )  # a mistyped dry_run deletes nothing
        query = CleanupQuery(data=asked)
        query.is_valid(raise_exception=True)
        member = member_of(request)
        cleanup = event_logs_cleanup(tenant=member.tenant, actor=member.actor, **query.validated_data)
        return Response(asdict(cleanup))
