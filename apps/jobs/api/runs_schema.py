"""The shapes of what is done with executions. `BulkRetryBody` checks as well as describes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from apps.executions.states import Outcome, State
from apps.jobs.retries import MAX_RETRIED
from apps.tenants.api.schema import Shape

MAX_IDS = 100
_BIGGEST = 2**63 - 1

EXECUTION_ID = OpenApiParameter("execution_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class CancelledShape(Shape):
    success = serializers.BooleanField()
    execution_id = serializers.IntegerField()
    was = serializers.ChoiceField(choices=State.values, help_text="`leased`: a worker had begun.")
    message = serializers.CharField()


class RetriedShape(Shape):
    success = serializers.BooleanField()
    execution_id = serializers.IntegerField(help_text="The new execution; its `webhook-id` is new, too.")
    retry_of = serializers.IntegerField()
    message = serializers.CharField()


class BulkRetryBody(Shape):
    """Either `execution_ids`, or `status` with any of the other filters."""

    execution_ids = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        min_length=1,
        max_length=MAX_IDS,
        help_text="Finished executions, failed or not.",
    )
    status = serializers.ChoiceField(
        choices=[Outcome.FAILED.value],
        required=False,
        help_text=f"Failed executions that nobody has retried yet, the oldest first, {MAX_RETRIED} at a time.",
    )
    job_id = serializers.IntegerField(required=False, min_value=1, max_value=_BIGGEST)
    user_id = serializers.CharField(
        required=False, max_length=200, help_text="For admins and owners; members retry their own."
    )
    since = serializers.DateTimeField(required=False, help_text="Nominal times from this one on.")
    until = serializers.DateTimeField(required=False, help_text="Nominal times before this one.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = attrs.keys() - {"execution_ids", "reason"}
        if "execution_ids" in attrs and filters:
            raise serializers.ValidationError("Name execution_ids or a filter, not both.")
        if "execution_ids" not in attrs and "status" not in attrs:
            raise serializers.ValidationError('Name execution_ids, or a filter with "status": "failed".')
        return attrs


class RetriedItemShape(Shape):
    execution_id = serializers.IntegerField()
    retry_of = serializers.IntegerField()


class RefusedItemShape(Shape):
    id = serializers.IntegerField()
    detail = serializers.CharField()


class BulkRetriedShape(Shape):
    success = serializers.BooleanField(help_text="Whether none was refused.")
    retried = RetriedItemShape(many=True)
    refused = RefusedItemShape(many=True)
    has_more = serializers.BooleanField(help_text="Whether the filter finds more; ask again for them.")


BULK_EXAMPLES = [
    OpenApiExample("By id", {"execution_ids": [1002]}, request_only=True),
    OpenApiExample(
        "By filter",
        {"status": "failed", "job_id": 42, "since": "2026-11-01T00:00:00Z"},
        request_only=True,
    ),
]
