"""What on-call's tools remember."""

from django.db import models


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
