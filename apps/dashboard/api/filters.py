"""What a query string asks of a list, checked and applied. An empty value is as good as none."""

from __future__ import annotations

from datetime import UTC
from typing import Any, TypeVar

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.dashboard import selectors
from apps.executions.states import Outcome
from apps.leadership.models import SchedulerEvent
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import InvalidFields

RUNNING, SKIPPED = "running", "skipped"
LOG_STATUSES = [*Outcome.values, RUNNING, SKIPPED]
MAX_ID = 2**63 - 1
_TRUTHS = [("true", "true"), ("false", "false")]
_FilterSet = TypeVar("_FilterSet", bound=django_filters.FilterSet)


class InstantField(IsoDateTimeField):
    """In UTC: Postgres takes fewer offsets than Python, and neither goes on for ever."""

    years = range(1970, 9000)

    def to_python(self, value: Any) -> Any:
        moment = super().to_python(value)
        if moment is None:
            return None
        if moment.year not in self.years:
            raise forms.ValidationError(f"Use a year from {self.years.start} to {self.years.stop - 1}.")
        return moment.astimezone(UTC)


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class IntegerFilter(django_filters.Filter):
    field_class = forms.IntegerField


class LogFilters(django_filters.FilterSet):
    """Of executions. `status` says which list it is and `user_id` whose; both are answered before this filters."""

    status = django_filters.ChoiceFilter(choices=[(name, name) for name in LOG_STATUSES], method="elsewhere")
    user_id = django_filters.CharFilter(max_length=200, method="elsewhere")
    job_id = IntegerFilter(min_value=1, max_value=MAX_ID)
    since = InstantFilter("scheduled_for", "gte")
    until = InstantFilter("scheduled_for", "lt")
    search = django_filters.CharFilter(max_length=200, method="of_jobs_named")
    retried = django_filters.ChoiceFilter(choices=_TRUTHS, method="with_or_without_retry")

    def of_jobs_named(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """By way of the jobs, which are few: rows are found by their index, and a search costs what it finds."""
        return rows.filter(job_id__in=selectors.job_ids_named(member_of(self.request).tenant, value))

    def with_or_without_retry(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        tenant = member_of(self.request).tenant
        return (
            selectors.with_retry(rows, tenant) if value == "true" else selectors.without_retry(rows, tenant)
        )

    def elsewhere(self, rows: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return rows


class SkipFilters(LogFilters):
    """Of ranges of times: those that reach into the window."""

    since = InstantFilter("last", "gte")
    until = InstantFilter("first", "lt")
    retried = django_filters.ChoiceFilter(choices=_TRUTHS, method="elsewhere")


class EventFilters(django_filters.FilterSet):
    """Of the journal. `days` is counted back from the database's clock, by whoever has it."""

    event_type = django_filters.ChoiceFilter(choices=SchedulerEvent.Type.choices)
    days = IntegerFilter(min_value=1, max_value=90, method="elsewhere")
    user_id = django_filters.CharFilter(max_length=200, method="elsewhere")

    def elsewhere(self, rows: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return rows


USER_ID = OpenApiParameter(
    "user_id", OpenApiTypes.STR, description="For admins and owners; members see their own."
)
LOG_FILTERS = [
    OpenApiParameter(
        "status",
        enum=LOG_STATUSES,
        description="Without it, what has finished: success and failed. `skipped` lists ranges of nominal times that "
        "had no execution, with their `reason` and `count`; their ids are negative.",
    ),
    OpenApiParameter("job_id", OpenApiTypes.INT64),
    USER_ID,
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Nominal times from this one on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Nominal times before this one."),
    OpenApiParameter("search", description="Of the jobs, deleted ones too, whose name contains this."),
    OpenApiParameter(
        "retried",
        OpenApiTypes.BOOL,
        description="Executions that were run again; `false`: those that were not. It does not narrow "
        "what was skipped.",
    ),
]
EVENT_FILTERS = [
    OpenApiParameter("event_type", enum=SchedulerEvent.Type.values),
    OpenApiParameter("days", OpenApiTypes.INT, description="How far back: 1 to 90, 7 where it is left out."),
    USER_ID,
]


def checked(filters: type[_FilterSet], request: Request, rows: QuerySet[Any]) -> _FilterSet:
    """The filters of the query string over `rows`. Raises InvalidFields (400) by field."""
    filter_set: _FilterSet = filters(request.query_params, rows, request=request)
    if not filter_set.is_valid():
        raise InvalidFields(dict(filter_set.errors))
    return filter_set
