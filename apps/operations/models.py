"""What on-call's tools remember."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class AlertState(models.Model):
    """How an alert of `apps.operations.alerts` stands, by the database's clock. Nothing of a tenant's is in it."""

    name = models.CharField(max_length=60, primary_key=True)
    pending_since = models.DateTimeField(null=True)  # since when its condition has held; null: it does not
    firing_since = models.DateTimeField(null=True)
    value = models.FloatField(null=True)  # null: there was nothing to compare
    evaluated_at = models.DateTimeField(null=True)
    mailed = models.BooleanField(
        db_default=False
    )  # on-call was mailed that it fires, and not yet that it ended

    def __str__(self) -> str:
        return self.name


class Evidence(models.Model):
    """How a run of a row of the test matrix ended, for releases without a checkout. Holds nothing of a tenant's."""

    row = models.CharField(max_length=20)
    commit = models.CharField(max_length=40)
    clean_tree = models.BooleanField()
    complete = models.BooleanField()
    passed = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    skipped = models.PositiveIntegerField()
    seconds = models.FloatField()
    postgres = models.CharField(max_length=20, blank=True)
    ran_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "evidence"
        indexes: ClassVar = [models.Index(fields=["row", "-ran_at"], name="evidence_of_row")]

    def __str__(self) -> str:
        return f"row {self.row} on {self.commit[:12]}"
