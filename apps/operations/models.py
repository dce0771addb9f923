"""What on-call's tools remember."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


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


class Acknowledgement(models.Model):
    """That somebody has read a runbook: its bytes, by their hash. Row security lets nobody change or delete one.

    Holds nothing of a tenant's, and no tenant sees it.
    """

    document = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["document", "-id"], name="acknowledged_document")]

    def __str__(self) -> str:
        return f"{self.actor} read {self.document}"
