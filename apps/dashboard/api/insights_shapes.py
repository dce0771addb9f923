"""The shapes of insights for the API's description; tests hold these to the payloads."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.tenants.api.schema import Shape


class PercentilesShape(Shape):
    """In milliseconds: half is no more than `p50`, 99 of 100 are no more than `p99`."""

    p50 = serializers.IntegerField()
    p99 = serializers.IntegerField()


class HourShape(Shape):
    hour = serializers.DateTimeField(
        help_text="When it begins. An execution is of the hour of its nominal time."
    )
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="Nominal times that had no execution.")
    lag_ms = PercentilesShape(allow_null=True, help_text="From when executions might run until they started.")
    duration_ms = PercentilesShape(allow_null=True)
    sampled = serializers.BooleanField(
        help_text="The percentiles are of the hour's latest 500 executions, or `skipped` is at least so many."
    )


class HourTotalsShape(Shape):
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField()


class HoursShape(Shape):
    hours = HourShape(many=True)
    totals = HourTotalsShape()
    last_updated = serializers.DateTimeField()


class PeakShape(Shape):
    at = serializers.DateTimeField(help_text="The first of the fullest minutes.")
    count = serializers.IntegerField()


class OptionShape(Shape):
    jitter_seconds = serializers.IntegerField()
    peak = serializers.IntegerField(help_text="Of a minute, if no job had less jitter than that.")


class ForecastShape(Shape):
    """What the schedules ask for. Quotas, overlap and failures are not foreseen, nor what people trigger."""

    minutes = serializers.ListField(
        child=serializers.IntegerField(), help_text="Runs that start in each minute from `from` on."
    )
    flattened = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="The same runs if no job had less jitter than `suggested_jitter_seconds`: expected values.",
    )
    suggested_jitter_seconds = serializers.IntegerField(
        help_text="The smallest jitter with most of the gain; 0 where the load is flat already."
    )
    peak = PeakShape()
    flattened_peak = PeakShape()
    total = serializers.IntegerField()
    jobs = serializers.IntegerField(help_text="Active jobs with times to come.")
    left_out = serializers.IntegerField(
        help_text="Jobs beside those, whose times are too many to be worked out here, or cannot be."
    )
    options = OptionShape(many=True)

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which no attribute can be called."""
        return {"from": serializers.DateTimeField(help_text="A full minute."), **super().get_fields()}
