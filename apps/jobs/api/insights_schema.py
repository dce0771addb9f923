"""The shapes of what lists of jobs show beside them, for the API's description."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.executions.states import Kind, SkipReason
from apps.tenants.api.schema import Shape

JOB_IDS = OpenApiParameter(
    "job_id", OpenApiTypes.STR, required=True, description="Ids of 1 to 100 jobs, with commas between them."
)
OUTCOMES = OpenApiParameter(
    "count", OpenApiTypes.INT, description="Of each job at most: 1 to 50, 20 where it is left out."
)


class CategoryShape(Shape):
    category = serializers.CharField(help_text="The `task_category` of its jobs.")
    label = serializers.CharField(help_text="The same, for people.")  # type: ignore[assignment]
    job_count = serializers.IntegerField(help_text="The sum of the five that follow: jobs by status.")
    active = serializers.IntegerField()
    paused = serializers.IntegerField()
    failed = serializers.IntegerField()
    needs_intervention = serializers.IntegerField()
    completed = serializers.IntegerField()


class CategoriesShape(Shape):
    categories = CategoryShape(many=True)
    total_jobs = serializers.IntegerField()


class OutcomeShape(Shape):
    id = serializers.IntegerField(help_text="The execution's; of a skip, negative.")
    status = serializers.ChoiceField(choices=["success", "failed", "running", "skipped"])
    scheduled_for = serializers.DateTimeField(help_text="The nominal time; of a range, the first.")
    scheduled_until = serializers.DateTimeField(help_text="Of a range, the last nominal time.")
    execution_time_ms = serializers.IntegerField(allow_null=True)
    reason = serializers.ChoiceField(choices=SkipReason.values, allow_null=True)
    count = serializers.IntegerField(help_text="How many nominal times this stands for.")
    kind = serializers.ChoiceField(choices=Kind.values, allow_null=True)
    state = serializers.ChoiceField(choices=["pending", "leased", "finished"], allow_null=True)


class OutcomesShape(Shape):
    outcomes = serializers.DictField(child=OutcomeShape(many=True), help_text="By the job's id.")
