"""What became of the monitoring of connected platforms."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.dashboard import payloads
from apps.dashboard.api.shapes import LogShape
from apps.jobs.platforms.selectors import monitoring_logs
from apps.tenants.api.access import member_of, path_user
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape, PageShape
from apps.tenants.api.views import TenantView

_USER_ID = OpenApiParameter(
    "user_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="In either form; members: their own only."
)


class PlatformLogListShape(PageShape):
    success = serializers.BooleanField()
    logs = LogShape(many=True)


class PlatformLogs(TenantView):
    @extend_schema(
        operation_id="platform_insights_logs",
        parameters=[_USER_ID, *PAGING],
        responses={200: PlatformLogListShape, 400: ErrorShape},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """The finished executions of the user's monitoring jobs, newest first; also of jobs deleted since."""
        tenant = member_of(request).tenant
        rows = monitoring_logs(tenant, path_user(request, user_id))
        page = envelope(rows, request, "logs", lambda page: payloads.finished_logs(tenant, page))
        return Response({"success": True, **page})
