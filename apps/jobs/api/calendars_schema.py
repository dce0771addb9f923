"""The shapes of calendars, for the API's description; a test holds these to the payloads."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.jobs.calendars.entries import MAX_ENTRIES
from apps.tenants.api.schema import PageShape, Shape

CALENDAR_ID = OpenApiParameter("calendar_id", OpenApiTypes.STR, OpenApiParameter.PATH)


def _local(text: str) -> serializers.CharField:
    return serializers.CharField(help_text=text)


# `from` is a word of the language, so the shape is made from a dictionary.
BlackoutShape: type[Shape] = type(
    "BlackoutShape",
    (Shape,),
    {
        "from": _local(
            "A local date or time of the calendar's zone, such as 2026-12-24 or 2026-12-24T18:00."
        ),
        "to": _local("Likewise; the end is not part of it."),
        "reason": serializers.CharField(required=False, allow_blank=True, max_length=200),
    },
)


class CalendarBodyShape(Shape):
    """`blackouts` are replaced as a whole."""

    name = serializers.CharField(max_length=200)
    timezone = serializers.CharField(required=False, help_text="An IANA name; UTC where it is left out.")
    blackouts = BlackoutShape(many=True, required=False, help_text=f"At most {MAX_ENTRIES:,}.")


class CalendarShape(Shape):
    id = serializers.CharField()
    name = serializers.CharField()
    timezone = serializers.CharField()
    blackouts = BlackoutShape(many=True)
    jobs = serializers.IntegerField(help_text="How many jobs use it.")
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class CalendarListShape(PageShape):
    calendars = CalendarShape(many=True)
