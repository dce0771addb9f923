"""The shapes of tasks that need a person, for the API's description."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.jobs.interventions import CRITICAL_IN_A_ROW
from apps.jobs.states import Status
from apps.tenants.api.schema import PageShape, Shape

USER_ID = OpenApiParameter(
    "user_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="Whose tasks, in any form of the id. Members: their own only.",
)
OF_USER = OpenApiParameter(
    "user_id", OpenApiTypes.STR, description="For admins and owners; members see their own."
)
TASK_TYPE = OpenApiParameter("task_type", OpenApiTypes.STR, OpenApiParameter.PATH)
TASK_ID = OpenApiParameter("task_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class FailurePatternShape(Shape):
    consecutive_failures = serializers.IntegerField()
    recent_failures = serializers.IntegerField(help_text="Of the last seven days.")
    failure_reason = serializers.CharField(allow_null=True)
    last_failure_time = serializers.DateTimeField(allow_null=True)
    error_patterns = serializers.ListField(
        child=serializers.CharField(),
        help_text="The different errors of the latest failures, the most frequent first.",
    )


class InterventionTaskShape(Shape):
    task_id = serializers.IntegerField()
    task_type = serializers.CharField()
    user_id = serializers.CharField(allow_null=True)
    platform = serializers.CharField(allow_null=True)
    website_url = serializers.CharField(allow_null=True)
    failure_pattern = FailurePatternShape()
    failure_reason = serializers.CharField(allow_null=True)
    last_failure = serializers.DateTimeField(allow_null=True)
    task_title = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    cool_off_until = serializers.DateTimeField(allow_null=True)
    quarantined_at = serializers.DateTimeField(allow_null=True)


class InterventionTasksShape(Shape):
    success = serializers.BooleanField()
    tasks = InterventionTaskShape(many=True)
    count = serializers.IntegerField()


class InterventionTaskListShape(PageShape):
    tasks = InterventionTaskShape(many=True)


class InterventionSummaryShape(Shape):
    success = serializers.BooleanField()
    user_id = serializers.CharField()
    total = serializers.IntegerField()
    by_type = serializers.DictField(child=serializers.IntegerField())
    critical_failures = serializers.IntegerField(
        help_text=f"Tasks that do not run any more, or have failed {CRITICAL_IN_A_ROW} times in a row."
    )
    oldest_failure_hours = serializers.FloatField(
        allow_null=True, help_text="How long ago the one that failed longest ago did so."
    )


class ManuallyTriggeredShape(Shape):
    success = serializers.BooleanField()
    task_id = serializers.IntegerField()
    execution_id = serializers.IntegerField()
    message = serializers.CharField()
