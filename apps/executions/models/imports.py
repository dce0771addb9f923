"""How far imports got."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.executions.models.owned import TenantRow


class ImportRun(TenantRow):
    """How far the import of one file got. Moved in the transaction of each batch, so that it can be resumed."""

    digest = models.CharField(max_length=64)  # SHA-256 of the file
    size = models.BigIntegerField()  # bytes
    file_name = models.CharField(max_length=500)
    offset = models.BigIntegerField(db_default=0)  # bytes that are done
    lines = models.BigIntegerField(db_default=0)
    accepted = models.BigIntegerField(db_default=0)
    repeated = models.BigIntegerField(db_default=0)  # were in the ledger already, by `source_id`
    rejected = models.BigIntegerField(db_default=0)
    rejects_offset = models.BigIntegerField(db_default=0)  # bytes of the rejects file that are certain
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "digest", "size"], name="import_once_per_file")
        ]

    def __str__(self) -> str:
        return f"{self.file_name}: {self.accepted} accepted, {self.rejected} rejected"
