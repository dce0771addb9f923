"""Notification channels as the API takes and shows them."""

from __future__ import annotations

from django.core.validators import RegexValidator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.jobs.models import Notice
from apps.tenants.api.schema import PageShape, Shape
from apps.vault.models import NotificationChannel

CHANNEL_ID = OpenApiParameter("channel_id", OpenApiTypes.INT, OpenApiParameter.PATH)
EVENTS, KINDS = Notice.Event.values, NotificationChannel.Kind.values
_PRINTABLE = RegexValidator(
    r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]+\Z", "Use one line of characters that can be shown."
)


def _text(longest: int, help_text: str, *, allow_null: bool = False) -> serializers.CharField:
    return serializers.CharField(
        max_length=longest,
        validators=[_PRINTABLE],
        help_text=help_text,
        required=False,
        allow_null=allow_null,
    )


class ChannelChangeShape(Shape):
    """What is left out stays."""

    name = _text(100, "Unique among your channels.")
    address = _text(2000, "An email address, or the URL that a webhook is posted to.")
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENTS), min_length=1, max_length=20, required=False
    )
    job_id = serializers.RegexField(
        r"\A[0-9]{1,18}\Z", required=False, allow_null=True, help_text="Of this job alone."
    )
    task_type = _text(200, "Of jobs of this type alone.", allow_null=True)
    user_id = _text(200, "Of this user's jobs alone.", allow_null=True)
    enabled = serializers.BooleanField(required=False)


class ChannelBodyShape(ChannelChangeShape):
    name = serializers.CharField(max_length=100, validators=[_PRINTABLE])
    kind = serializers.ChoiceField(choices=KINDS)
    address = serializers.CharField(
        max_length=2000,
        validators=[_PRINTABLE],
        help_text="An email address, or the URL that a webhook is posted to.",
    )
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENTS),
        min_length=1,
        max_length=20,
        required=False,
        help_text="All of them where they are left out.",
    )


class ChannelShape(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    address = serializers.CharField(
        allow_null=True, help_text="Of a webhook the host alone; null where it cannot be opened."
    )
    events = serializers.ListField(child=serializers.ChoiceField(choices=EVENTS))
    job_id = serializers.CharField(allow_null=True)
    task_type = serializers.CharField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    enabled = serializers.BooleanField()
    last_sent_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_null=True, help_text="Null once a message has arrived.")
    last_error_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewChannelShape(ChannelShape):
    secret = serializers.CharField(
        allow_null=True,
        help_text="What a webhook's messages are signed with. Keep it: it is not shown again.",
    )


class ChannelListShape(PageShape):
    notification_channels = ChannelShape(many=True)


class ChannelTestShape(Shape):
    message_id = serializers.UUIDField(help_text="The webhook-id that the test arrives under.")
    status = serializers.ChoiceField(choices=["pending"])
