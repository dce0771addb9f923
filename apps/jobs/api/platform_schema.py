"""The shapes of connections and of their monitoring, for the API's description; a test holds these to the payloads."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.jobs.api.schema import JobShape
from apps.jobs.platforms import registry
from apps.jobs.platforms.content import CONNECTED, DISCONNECTED, MAX_LABEL
from apps.tenants.api.schema import PageShape, Shape

PLATFORM = OpenApiParameter("platform", OpenApiTypes.STR, OpenApiParameter.PATH, enum=registry.names())
USER_ID = OpenApiParameter(
    "user_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="In either form; members: their own only."
)
OF_USER = OpenApiParameter("user_id", OpenApiTypes.STR, description="For admins and owners: whose.")


class ConnectionBodyShape(Shape):
    credentials = serializers.DictField(
        required=False, write_only=True, help_text="Needed to connect; kept when a replacement leaves it out."
    )
    label = serializers.CharField(required=False, allow_blank=True, max_length=MAX_LABEL)  # type: ignore[assignment]
    settings = serializers.DictField(required=False, help_text="Yours; not secret to whoever may read it.")


class ConnectionShape(Shape):
    platform = serializers.CharField()
    title = serializers.CharField()
    task_type = serializers.CharField(allow_null=True)
    user_id = serializers.CharField()
    status = serializers.ChoiceField(choices=[CONNECTED, DISCONNECTED])
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the serializer's own label
    settings = serializers.DictField()
    has_credentials = serializers.BooleanField()
    credentials_updated_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ConnectionListShape(PageShape):
    connections = ConnectionShape(many=True)


class PlatformStatusShape(Shape):
    user_id = serializers.CharField()
    tasks = JobShape(many=True)
    total_tasks = serializers.IntegerField()
    active_tasks = serializers.IntegerField()
    paused_tasks = serializers.IntegerField()
    failed_tasks = serializers.IntegerField(help_text="Failed at last, or waiting for somebody to intervene.")
    connected_platforms = serializers.ListField(child=serializers.CharField())
    missing_platforms = serializers.ListField(child=serializers.CharField())
    last_updated = serializers.DateTimeField()


class PlatformFailureShape(Shape):
    platform = serializers.CharField()
    error = serializers.CharField()


class PlatformDetailShape(Shape):
    platform = serializers.CharField()
    reason = serializers.CharField()


class ReconciledShape(Shape):
    """Every connected platform is in one of created, skipped and failures."""

    success = serializers.BooleanField(help_text="Nothing failed.")
    user_id = serializers.CharField()
    connected_insights_platforms = serializers.ListField(child=serializers.CharField())
    created_platforms = serializers.ListField(child=serializers.CharField())
    skipped_platforms = serializers.ListField(
        child=serializers.CharField(), help_text="`details` says why, for each."
    )
    resumed_platforms = serializers.ListField(
        child=serializers.CharField(), help_text="Of the skipped, those whose job goes on after a pause."
    )
    failures = PlatformFailureShape(many=True)
    details = PlatformDetailShape(many=True)
    auditable = serializers.BooleanField()
    reconciled_at = serializers.DateTimeField()
