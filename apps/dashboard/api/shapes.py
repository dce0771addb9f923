"""The shapes of this API for its description; tests hold these to the payloads."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.dashboard.api.filters import LOG_STATUSES
from apps.executions.states import AttemptOutcome, Kind, SkipReason
from apps.jobs.api.schema import JobShape
from apps.leadership.models import SchedulerEvent
from apps.tenants.api.schema import PageShape, Shape

LOG_ID = OpenApiParameter("log_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class LogTaskShape(Shape):
    """The job, by the names that it had when it ran."""

    id = serializers.IntegerField(allow_null=True)
    task_title = serializers.CharField()
    component_name = serializers.CharField()
    metric = serializers.CharField()
    frequency = serializers.CharField()


class LogBaseShape(Shape):
    task_id = serializers.IntegerField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    execution_date = serializers.DateTimeField(
        help_text="When it started; of what was skipped, the first time."
    )
    status = serializers.ChoiceField(choices=LOG_STATUSES)
    error_message = serializers.CharField(allow_null=True)
    execution_time_ms = serializers.IntegerField(allow_null=True)
    result_data = serializers.JSONField()  # any JSON, null too
    created_at = serializers.DateTimeField()
    task = LogTaskShape()
    is_scheduler_log = serializers.BooleanField()
    event_type = serializers.ChoiceField(choices=SchedulerEvent.Type.values, allow_null=True)
    job_id = serializers.CharField(allow_null=True)
    scheduled_for = serializers.DateTimeField(
        allow_null=True, help_text="The nominal time; of a range, the first."
    )
    scheduled_until = serializers.DateTimeField(
        allow_null=True, help_text="Of a range, the last nominal time."
    )
    run_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Of an execution, when its last attempt might start: the nominal time with jitter or back-off.",
    )
    attempt = serializers.IntegerField(allow_null=True)
    epoch = serializers.IntegerField(allow_null=True)
    reason = serializers.ChoiceField(choices=SkipReason.values, allow_null=True)
    worker = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=Kind.values, allow_null=True)
    retry_of = serializers.IntegerField(allow_null=True)
    count = serializers.IntegerField(help_text="How many nominal times this stands for.")
    state = serializers.ChoiceField(choices=["pending", "leased", "finished"], allow_null=True)


class LogShape(LogBaseShape):
    id = serializers.IntegerField()


class RecentLogShape(LogBaseShape):
    id = serializers.CharField()


class LogListShape(PageShape):
    logs = LogShape(many=True)
    is_scheduler_logs = serializers.BooleanField()


class RecentLogListShape(PageShape):
    logs = RecentLogShape(many=True)
    is_scheduler_logs = serializers.BooleanField()


class AttemptShape(Shape):
    attempt = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=AttemptOutcome.values)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField()
    worker = serializers.CharField()
    error_message = serializers.CharField(allow_null=True)


class OutputShape(Shape):
    result = serializers.JSONField()  # any JSON, null too
    error_text = serializers.CharField(allow_null=True)


class ExecutionShape(LogShape):
    attempts = AttemptShape(many=True)
    output = OutputShape(allow_null=True)


class EventShape(Shape):
    id = serializers.IntegerField()
    event_type = serializers.ChoiceField(choices=SchedulerEvent.Type.values)
    event_date = serializers.DateTimeField()
    check_cycle_number = serializers.IntegerField(allow_null=True)
    check_interval_minutes = serializers.FloatField(allow_null=True)
    previous_interval_minutes = serializers.FloatField(allow_null=True)
    new_interval_minutes = serializers.FloatField(allow_null=True)
    tasks_found = serializers.IntegerField(allow_null=True)
    tasks_executed = serializers.IntegerField(allow_null=True)
    tasks_failed = serializers.IntegerField(allow_null=True)
    tasks_by_type = serializers.DictField(child=serializers.IntegerField(), allow_null=True)
    check_duration_seconds = serializers.FloatField(allow_null=True)
    active_strategies_count = serializers.IntegerField(allow_null=True)
    active_executions = serializers.IntegerField(allow_null=True)
    job_id = serializers.CharField(allow_null=True)
    job_type = serializers.CharField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    event_data = serializers.JSONField()  # any JSON, null too
    error_message = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    epoch = serializers.IntegerField(allow_null=True)


class DateFilterShape(Shape):
    days = serializers.IntegerField()
    cutoff_date = serializers.DateTimeField()
    showing_events_since = serializers.DateTimeField()


class EventListShape(PageShape):
    events = EventShape(many=True)
    date_filter = DateFilterShape()


class StatsShape(Shape):
    """The tenant's work alone; the first five since the leader's term began, `cumulative_…` since ever."""

    total_checks = serializers.IntegerField()
    tasks_found = serializers.IntegerField()
    tasks_executed = serializers.IntegerField()
    tasks_failed = serializers.IntegerField()
    tasks_skipped = serializers.IntegerField()
    last_check = serializers.DateTimeField(allow_null=True)
    last_update = serializers.DateTimeField(allow_null=True)
    last_interval_adjustment = serializers.DateTimeField(allow_null=True)
    active_executions = serializers.IntegerField()
    running = serializers.BooleanField()
    check_interval_minutes = serializers.FloatField()
    min_check_interval_minutes = serializers.FloatField()
    max_check_interval_minutes = serializers.FloatField()
    intelligent_scheduling = serializers.BooleanField()
    active_strategies_count = serializers.IntegerField()
    registered_types = serializers.ListField(child=serializers.CharField())
    cumulative_total_check_cycles = serializers.IntegerField()
    cumulative_tasks_found = serializers.IntegerField()
    cumulative_tasks_executed = serializers.IntegerField()
    cumulative_tasks_failed = serializers.IntegerField()


class UserIsolationShape(Shape):
    enabled = serializers.BooleanField(help_text="Whether the lists hold this user's objects only.")
    current_user_id = serializers.CharField()


class DashboardShape(Shape):
    stats = StatsShape()
    jobs = JobShape(many=True)
    job_count = serializers.IntegerField()
    recurring_jobs = serializers.IntegerField()
    one_time_jobs = serializers.IntegerField()
    registered_task_types = serializers.ListField(child=serializers.CharField())
    user_isolation = UserIsolationShape()
    last_updated = serializers.DateTimeField()


class PulseShape(Shape):
    token = serializers.CharField(help_text="Opaque; only ever to be compared with the one before.")
    running = serializers.IntegerField()
    waiting = serializers.IntegerField(
        help_text="Executions that could start now, counted to 1,000; a member's, among 10,000 of the tenant's."
    )
    attention = serializers.IntegerField(help_text="Tasks that need intervention; counted to 100.")
    last_updated = serializers.DateTimeField()


class LeadershipShape(Shape):
    mode = serializers.ChoiceField(choices=["postgres_advisory_lock"])
    is_leader = serializers.BooleanField(help_text="Somebody leads.")
    execution_enabled = serializers.BooleanField()
    trust_window_seconds = serializers.FloatField()
    epoch = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    heartbeat_at = serializers.DateTimeField(allow_null=True)
    heartbeat_age_seconds = serializers.FloatField(allow_null=True)


class RuntimeShape(Shape):
    leadership = LeadershipShape()


class StatusShape(Shape):
    service = serializers.CharField()
    version = serializers.CharField()
    scheduler_runtime = RuntimeShape()


class UsedShape(Shape):
    limit = serializers.IntegerField(allow_null=True, help_text="Null: none.")
    used = serializers.IntegerField()


class MadeShape(Shape):
    limit = serializers.IntegerField(allow_null=True, help_text="Null: none.")
    used = serializers.IntegerField(
        allow_null=True, help_text="Executions that were made; null while the plan limits neither period."
    )
    resets_at = serializers.DateTimeField()


class UsageShape(Shape):
    plan = serializers.CharField()
    jobs = UsedShape()
    concurrency = UsedShape(help_text="Executions that run at this moment.")
    executions_per_minute = MadeShape()
    executions_per_day = MadeShape(help_text="The day is of UTC.")


class ChecksShape(Shape):
    database = serializers.CharField()
    scheduler_leadership = serializers.CharField()


class HealthShape(Shape):
    status = serializers.ChoiceField(choices=["healthy", "unhealthy"])
    checks = ChecksShape()
    leader_heartbeat_age_seconds = serializers.FloatField(allow_null=True)
