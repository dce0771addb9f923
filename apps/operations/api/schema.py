"""The shapes of bodies and answers."""

from typing import Any

from rest_framework import serializers

from apps.operations.services import MAX_REASON


class ReconcileBody(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=False)
    reason = serializers.CharField(default="", allow_blank=True, max_length=MAX_REASON)


class ReconcileItemShape(serializers.Serializer[Any]):
    kind = serializers.CharField()
    problem = serializers.CharField()
    tenant_id = serializers.IntegerField()
    object_id = serializers.IntegerField(help_text="The job's id.")
    name = serializers.CharField(help_text="The job's name.")
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
    reconciled_at = serializers.DateTimeField()
