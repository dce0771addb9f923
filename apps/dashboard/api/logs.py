"""What became of jobs: finished, running and skipped."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.dashboard import payloads, selectors
from apps.dashboard.api.filters import LOG_FILTERS
from apps.dashboard.api.log_lists import asked_logs
from apps.dashboard.api.shapes import LOG_ID, ExecutionShape, LogListShape, RecentLogListShape
from apps.executions.models import ExecutionLog
from apps.executions.selectors import execution_attempts, execution_output
from apps.jobs.api.access import visible_execution
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape
from apps.tenants.api.views import TenantViewSet

RECENT = 5


class ExecutionLogViewSet(TenantViewSet):
    lookup_url_kwarg = "log_id"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="execution_logs_list",
        parameters=[*LOG_FILTERS, *PAGING],
        responses={200: LogListShape, 400: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The member's executions, newest first; the tenant's for admins and owners.

        Finished ones, unless `status` asks for what is running now or for the times that were skipped.
        """
        logs = asked_logs(request)
        page = envelope(logs.rows, request, "logs", logs.shown)
        return Response({**page, "is_scheduler_logs": False})

    @extend_schema(
        operation_id="execution_logs_read",
        parameters=[LOG_ID],
        responses={200: ExecutionShape, 404: ErrorShape},
    )
    def retrieve(self, request: Request, log_id: str) -> Response:
        """One execution, finished or live, with its attempts and its output."""
        member, row = member_of(request), visible_execution(request, log_id)
        attempts = execution_attempts(execution=row)
        output = execution_output(execution=row) if isinstance(row, ExecutionLog) else None
        return Response(payloads.execution_payload(member.tenant, row, attempts, output))


class RecentSchedulerLogViewSet(TenantViewSet):
    @extend_schema(operation_id="recent_scheduler_logs_list", responses={200: RecentLogListShape})
    def list(self, request: Request) -> Response:
        """The latest five events of jobs, in the shape of logs. The list has one page."""
        tenant = member_of(request).tenant
        events = selectors.events(tenant, listed_user(request, None))
        rows = list(
            events.filter(event_type__in=selectors.JOB_EVENTS).order_by("-event_date", "-id")[:RECENT]
        )
        return Response(
            {
                "logs": payloads.event_logs(tenant, rows),
                "total_count": len(rows),
                "limit": RECENT,
                "offset": 0,
                "has_more": False,
                "next_cursor": None,
                "is_scheduler_logs": True,
            }
        )
