"""What a query string asks of a list, checked. An empty value is as good as none."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from apps.executions.states import Outcome
from apps.leadership.models import SchedulerEvent

RUNNING, SKIPPED = "running", "skipped"
LOG_STATUSES = [*Outcome.values, RUNNING, SKIPPED]
MAX_ID = 2**63 - 1


class PageQuery(serializers.Serializer[Any]):
    """Described here, checked by `tenants.api.paging`."""

    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=500, help_text="50 where it is left out."
    )
    offset = serializers.IntegerField(required=False, min_value=0)
    cursor = serializers.CharField(required=False, help_text="The `next_cursor` of the page before.")


class LogQuery(PageQuery):
    status = serializers.ChoiceField(
        choices=LOG_STATUSES,
        required=False,
        help_text="Without it, what has finished: success and failed. `skipped` lists ranges of nominal times that had "
        "no execution, with their `reason` and `count`; their ids are negative.",
    )
    job_id = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    user_id = serializers.CharField(
        required=False, max_length=200, help_text="For admins and owners; members see their own."
    )
    since = serializers.DateTimeField(required=False, help_text="Nominal times from this one on.")
    until = serializers.DateTimeField(required=False, help_text="Nominal times before this one.")


class EventQuery(PageQuery):
    event_type = serializers.ChoiceField(choices=SchedulerEvent.Type.values, required=False)
    days = serializers.IntegerField(
        required=False, default=7, min_value=1, max_value=90, help_text="How far back."
    )
    user_id = serializers.CharField(
        required=False, max_length=200, help_text="For admins and owners; members see their own."
    )


def checked(query: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query string's own values, as Python's. Raises ValidationError (400) by field."""
    paging = PageQuery().fields
    given = {name: text for name, text in request.query_params.items() if text and name not in paging}
    serializer = query(data=given)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
