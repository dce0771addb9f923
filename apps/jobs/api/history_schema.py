"""The shapes of what became of a job's times, and of backfills."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from apps.executions.states import Kind
from apps.jobs.backfill import MAX_PACE
from apps.jobs.standing import Fate
from apps.jobs.why import MAX_ENTRIES, MAX_SPAN
from apps.tenants.api.schema import Shape

AT = OpenApiParameter("at", OpenApiTypes.DATETIME, description="One instant; not together with a range.")
FROM = OpenApiParameter("from", OpenApiTypes.DATETIME, description="The first instant of a range.")
TO = OpenApiParameter(
    "to", OpenApiTypes.DATETIME, description=f"Its last; at most {MAX_SPAN.days} days later."
)
ENTRIES = OpenApiParameter(
    "limit", OpenApiTypes.INT, description=f"Entries of a page: 1 to {MAX_ENTRIES:,}, which is the default."
)


class _FromToShape(Shape):
    """`from` cannot be the name of a class attribute."""

    def get_fields(self) -> dict[str, Any]:
        ends = {"from": serializers.DateTimeField(), "to": serializers.DateTimeField()}
        return {**ends, **super().get_fields()}


class WholeRangeShape(_FromToShape):
    """A skip as it was recorded, however little of it was asked about."""

    count = serializers.IntegerField()


class TimeShape(Shape):
    scheduled_for = serializers.DateTimeField()
    scheduled_until = serializers.DateTimeField(
        help_text="The same, or the last of a range. A range speaks of the times in it that have no entry of their own."
    )
    local_time = serializers.DateTimeField(help_text="`scheduled_for` on the wall clock of the job's zone.")
    count = serializers.IntegerField(
        allow_null=True,
        help_text="How many times the entry speaks of; null where the schedule that named them is gone and only the "
        "whole range's count is known.",
    )
    outcome = serializers.ChoiceField(choices=[fate.value for fate in Fate])
    reason = serializers.CharField(allow_null=True, help_text="Why it was skipped, or else the failure.")
    detail = serializers.CharField(allow_null=True, help_text="Of a skip, a pause or a quarantine.")
    error_message = serializers.CharField(allow_null=True)
    epoch = serializers.IntegerField(allow_null=True, help_text="The leader's term that decided it.")
    execution_id = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(choices=[Kind.SCHEDULED.value, Kind.BACKFILL.value], allow_null=True)
    run_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    range = WholeRangeShape(allow_null=True)
    note = serializers.CharField(help_text="What a clock change has to do with it; else empty.")
    sentence = serializers.CharField(help_text="The whole of it, for people.")


class NearestShape(Shape):
    before = serializers.DateTimeField(allow_null=True)
    after = serializers.DateTimeField(allow_null=True)


class WhyShape(_FromToShape):
    job_id = serializers.CharField()
    timezone = serializers.CharField()
    frequency = serializers.CharField()
    times = TimeShape(many=True)
    count = serializers.IntegerField(help_text="Of the entries.")
    has_more = serializers.BooleanField()
    next_from = serializers.DateTimeField(allow_null=True, help_text="Ask again from here for the next page.")
    nearest = NearestShape(allow_null=True, help_text="The times next to `at`; null for a range.")


class BackfillBodyShape(_FromToShape):
    dry_run = serializers.BooleanField(required=False, help_text="Count only; make nothing.")
    pace_seconds = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=MAX_PACE,
        help_text="Between two starts; 1 where it is left out.",
    )
    reason = serializers.CharField(required=False, max_length=500)


class BackfilledShape(_FromToShape):
    success = serializers.BooleanField()
    job_id = serializers.CharField()
    dry_run = serializers.BooleanField()
    found = serializers.IntegerField(help_text="Times that the schedule names in the range.")
    enqueued = serializers.IntegerField()
    already = serializers.IntegerField(help_text="Times that have an execution.")
    execution_ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="The first hundred of those made."
    )
    message = serializers.CharField()


_MISSED_WEEKEND = OpenApiExample(
    "A weekend that was missed",
    value={
        "from": "2026-11-21T00:00:00Z",
        "to": "2026-11-22T23:59:59Z",
        "pace_seconds": 5,
        "reason": "The importer was down.",
    },
    request_only=True,
)
BACKFILL_EXAMPLES = [_MISSED_WEEKEND]
