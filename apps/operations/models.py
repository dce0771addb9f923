"""What on-call's tools remember."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


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
