"""The shapes of bodies and answers."""

from typing import Any

from rest_framework import serializers

from apps.operations.reconcilers import RECONCILERS
from apps.operations.services import MAX_REASON
from apps.tenants.api.schema import Shape


class ReconcileBody(Shape):
    dry_run = serializers.BooleanField(default=False)
    reason = serializers.CharField(default="", allow_blank=True, max_length=MAX_REASON)


class ReconcileAllBody(ReconcileBody):
    kinds = serializers.MultipleChoiceField(
        choices=list(RECONCILERS),
        required=False,
        allow_empty=False,
        help_text="What to look for; left out, everything.",
    )


class ReconcileItemShape(serializers.Serializer[Any]):
    kind = serializers.CharField()
    problem = serializers.CharField()
    tenant_id = serializers.IntegerField()
    tenant = serializers.CharField(help_text="Its short name.")
    object_type = serializers.CharField(
        help_text="What has drifted: a job, a user, a connection, an execution, a content or the tenant."
    )
    object_id = serializers.IntegerField(
        help_text="The id of the job, connection, execution or tenant, the user's old one, or the content's job's."
    )
    name = serializers.CharField(
        help_text="The job's name, with the time of its execution; the user's id; or the platform and its user."
    )
    sentence = serializers.CharField()
    found = serializers.DictField()
    wanted = serializers.DictField()
    result = serializers.ChoiceField(["found", "created", "repaired", "skipped", "failed"])
    detail = serializers.CharField()


class ReconcileReportShape(serializers.Serializer[Any]):
    success = serializers.BooleanField(help_text="Nothing failed.")
    kinds = serializers.ListField(child=serializers.CharField())
    dry_run = serializers.BooleanField()
    found = serializers.IntegerField()
    created = serializers.IntegerField()
    repaired = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="In order again by the time its rows were locked.")
    failures = serializers.IntegerField()
    items = ReconcileItemShape(many=True)
    items_left_off = serializers.IntegerField()
    has_more = serializers.BooleanField(
        help_text="A request repairs so many at most; repeat it for the rest."
    )
    reconciled_at = serializers.DateTimeField()


class EventRangeShape(serializers.Serializer[Any]):
    oldest_event = serializers.DateTimeField(allow_null=True)
    newest_event = serializers.DateTimeField(allow_null=True)


class EventStatisticsShape(serializers.Serializer[Any]):
    total_events = serializers.IntegerField()
    events_by_type = serializers.DictField(child=serializers.IntegerField())
    date_range = EventRangeShape()


class CleanupShape(serializers.Serializer[Any]):
    deleted_count = serializers.IntegerField()
    would_delete_count = serializers.IntegerField(help_text="Of a dry run.")
    oldest_kept_event = serializers.DateTimeField(allow_null=True)
    cutoff_date = serializers.DateTimeField()
    dry_run = serializers.BooleanField()


class TotalsShape(serializers.Serializer[Any]):
    cumulative_tasks_found = serializers.IntegerField()
    cumulative_tasks_executed = serializers.IntegerField()
    cumulative_tasks_failed = serializers.IntegerField()
    cumulative_tasks_skipped = serializers.IntegerField()


class TotalsReconciledShape(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    stats = TotalsShape(help_text="The totals as the history has them.")
    before = TotalsShape(help_text="As they were stored.")
    drift = TotalsShape(help_text="By how much they were off: `before` less `stats`.")
    dry_run = serializers.BooleanField()
    reconciled_at = serializers.DateTimeField()
