"""The numbers behind the pictures: what the last hours brought, and what the next ones will."""

from __future__ import annotations

from django import forms
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.dashboard.api.insights_shapes import ForecastShape, HoursShape
from apps.dashboard.forecast import forecast_payload
from apps.dashboard.hours import hours_payload
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.views import TenantView

DEFAULT_HOURS, MOST_HOURS = 24, 48
_HOURS = OpenApiParameter(
    "hours",
    OpenApiTypes.INT,
    description=f"How many: 1 to {MOST_HOURS}, {DEFAULT_HOURS} where it is left out.",
)


class HoursForm(forms.Form):
    hours = forms.IntegerField(min_value=1, max_value=MOST_HOURS, required=False)


class Hours(TenantView):
    @extend_schema(
        operation_id="insights_hours_read",
        parameters=[_HOURS],
        responses={200: HoursShape, 400: ErrorShape},
    )
    def get(self, request: Request) -> Response:
        """Outcomes, start lag and durations by hour of UTC, earliest first; for members, of their own jobs."""
        return Response(hours_payload(member_of(request), _asked_hours(request)))


class Forecast(TenantView):
    @extend_schema(
        operation_id="insights_forecast_read",
        parameters=[_HOURS],
        responses={200: ForecastShape, 400: ErrorShape},
    )
    def get(self, request: Request) -> Response:
        """How many runs the schedules start in each minute to come, and the jitter that would flatten the peaks."""
        return Response(forecast_payload(member_of(request), _asked_hours(request)))


def _asked_hours(request: Request) -> int:
    """Raises InvalidFields (400)."""
    form = HoursForm(request.query_params)
    if not form.is_valid():
        raise InvalidFields(dict(form.errors))
    return form.cleaned_data["hours"] or DEFAULT_HOURS
