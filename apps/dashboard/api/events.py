"""The scheduler's journal, as far as it concerns the tenant."""

from __future__ import annotations

from datetime import timedelta

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.dashboard import payloads, selectors
from apps.dashboard.api.filters import EVENT_FILTERS, EventFilters, checked
from apps.dashboard.api.shapes import EventListShape
from apps.leadership.models import SchedulerEvent
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape
from apps.tenants.api.views import TenantViewSet

DEFAULT_DAYS = 7


class EventHistoryViewSet(TenantViewSet):
    @extend_schema(
        operation_id="event_history_list",
        parameters=[*EVENT_FILTERS, *PAGING],
        responses={200: EventListShape, 400: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The tenant's events of the last `days`, newest first; for members, those of their own jobs."""
        tenant = member_of(request).tenant
        filters = checked(EventFilters, request, SchedulerEvent.objects.none())
        asked = filters.form.cleaned_data
        days = asked["days"] or DEFAULT_DAYS
        cutoff = selectors.database_now() - timedelta(days=days)
        events = filters.filter_queryset(selectors.events(tenant, listed_user(request, asked["user_id"])))
        events = events.filter(event_date__gte=cutoff)
        page = envelope(
            events,
            request,
            "events",
            lambda rows: payloads.event_payloads(tenant, rows),
            order=("-event_date", "-id"),
        )
        shown = {"days": days, "cutoff_date": cutoff, "showing_events_since": cutoff}
        return Response({**page, "date_filter": shown})
