"""The shapes of this API for its description. What checks a body is the service; a test holds these to the payloads."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.jobs.payloads import TRIGGER_NAMES
from apps.jobs.states import DstGap, DstOverlap, Misfire, Overlap, Status, Trigger
from apps.tenants.api.schema import PageShape, Shape


class TriggerShape(Shape):
    """`type` and the fields of that type. Times are ISO 8601 with an offset."""

    type = serializers.ChoiceField(choices=Trigger.values)
    cron_expression = serializers.CharField(required=False, help_text="Five fields, or @daily and friends.")
    interval_seconds = serializers.IntegerField(required=False, allow_null=True)
    anchor_at = serializers.DateTimeField(required=False, allow_null=True)
    run_date = serializers.DateTimeField(required=False, allow_null=True)
    dst_gap = serializers.ChoiceField(choices=DstGap.values, required=False)
    dst_overlap = serializers.ChoiceField(choices=DstOverlap.values, required=False)
    starts_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="The schedule names no time before it."
    )
    ends_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Nor after it.")


class PoliciesShape(Shape):
    misfire = serializers.ChoiceField(choices=Misfire.values, required=False)
    misfire_grace_seconds = serializers.IntegerField(required=False)
    misfire_max_runs = serializers.IntegerField(
        required=False, help_text="1 to 1,000: of fire_all, so many late times run at most, the latest."
    )
    misfire_pace_seconds = serializers.IntegerField(
        required=False, help_text="0 to 3,600: of fire_all, so far apart."
    )
    overlap = serializers.ChoiceField(choices=Overlap.values, required=False)
    max_concurrency = serializers.IntegerField(
        required=False, allow_null=True, help_text="Runs of the job at once, 1 to 1,000; null for no limit."
    )
    jitter_seconds = serializers.IntegerField(
        required=False,
        help_text="0 to 86,400: each time starts up to so much later, the job always at the same.",
    )
    timeout_seconds = serializers.IntegerField(required=False)
    max_attempts = serializers.IntegerField(required=False)
    retry_delay_seconds = serializers.IntegerField(required=False)
    retry_max_delay_seconds = serializers.IntegerField(required=False)
    priority = serializers.IntegerField(required=False)
    cool_off_after = serializers.IntegerField(
        required=False,
        help_text="Failures in a row, 0 to 1,000, after which it cools off; 0: never.",
    )
    cool_off_seconds = serializers.IntegerField(
        required=False, help_text="How long at first, 1 to 86,400; doubled up to a day."
    )


class JobBodyShape(Shape):
    """What a tenant decides about a job."""

    name = serializers.CharField(max_length=200)
    trigger = TriggerShape()
    timezone = serializers.CharField(required=False, help_text="An IANA name; UTC where it is left out.")
    target = serializers.CharField(required=False, help_text="A registered task; http_request by default.")
    payload = serializers.DictField(required=False, help_text="The task's parameters.")
    calendar = serializers.CharField(
        required=False, allow_null=True, help_text="The id of a calendar in whose blackouts it does not run."
    )
    policies = PoliciesShape(required=False)
    user_id = serializers.CharField(
        required=False, allow_null=True, help_text="Admins may name another user."
    )
    task_type = serializers.CharField(required=False)
    task_category = serializers.CharField(required=False)
    platform = serializers.CharField(required=False, allow_null=True)
    website_url = serializers.CharField(required=False, allow_null=True)
    external_key = serializers.CharField(required=False, allow_null=True)


class JobShape(Shape):
    id = serializers.CharField()
    name = serializers.CharField()
    trigger_type = serializers.ChoiceField(choices=sorted(set(TRIGGER_NAMES.values())))
    next_run_time = serializers.DateTimeField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    job_store = serializers.CharField()
    user_job_store = serializers.CharField()
    function_name = serializers.CharField()
    platform = serializers.CharField()
    task_id = serializers.IntegerField()
    is_database_task = serializers.BooleanField()
    frequency = serializers.CharField(help_text="The schedule in plain English.")
    task_type = serializers.CharField()
    task_category = serializers.CharField()
    website_url = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Status.values)
    target = serializers.CharField()
    trigger = TriggerShape()
    timezone = serializers.CharField()
    calendar = serializers.CharField(allow_null=True)
    policies = PoliciesShape()
    payload = serializers.DictField(allow_null=True)
    payload_error = serializers.CharField(
        allow_null=True, help_text="Why `payload` is null; null where it is not."
    )
    version = serializers.IntegerField()
    external_key = serializers.CharField(allow_null=True)
    pause_reason = serializers.CharField(allow_null=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    quarantine_reason = serializers.CharField(allow_null=True)
    last_success = serializers.DateTimeField(allow_null=True)
    last_failure = serializers.DateTimeField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True)
    consecutive_failures = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class JobListShape(PageShape):
    jobs = JobShape(many=True)
    total_jobs = serializers.IntegerField()
    recurring_jobs = serializers.IntegerField()
    one_time_jobs = serializers.IntegerField()


class ReasonShape(Shape):
    reason = serializers.CharField(required=False, max_length=500)


class TriggeredShape(Shape):
    success = serializers.BooleanField()
    job_id = serializers.CharField()
    execution_id = serializers.IntegerField()
    message = serializers.CharField()


class UpcomingRunShape(Shape):
    run_time = serializers.DateTimeField(help_text="The nominal time: `scheduled_for` of its run.")
    run_at = serializers.DateTimeField(help_text="The same with the job's jitter.")
    local_time = serializers.DateTimeField(help_text="The same instant on the wall clock of the job's zone.")
    transition = serializers.ChoiceField(choices=["gap", "overlap"], allow_null=True)
    note = serializers.CharField()
    blackout = serializers.CharField(
        allow_null=True, help_text="Why a calendar keeps this time from running; null where none does."
    )


class NextRunsShape(Shape):
    job_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    frequency = serializers.CharField()
    timezone = serializers.CharField()
    next_runs = UpcomingRunShape(many=True)


class PreviewBodyShape(Shape):
    trigger = TriggerShape()
    timezone = serializers.CharField(required=False)
    calendar = serializers.CharField(required=False, allow_null=True)
    count = serializers.IntegerField(required=False, min_value=1, max_value=100)


class PreviewShape(Shape):
    trigger = TriggerShape()
    frequency = serializers.CharField()
    timezone = serializers.CharField()
    next_runs = UpcomingRunShape(many=True)


JOB_ID = OpenApiParameter("job_id", OpenApiTypes.STR, OpenApiParameter.PATH)
COUNT = OpenApiParameter("count", OpenApiTypes.INT, description="1 to 100, 10 where it is left out.")
