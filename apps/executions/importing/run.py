"""The whole import. One transaction a batch, in which its `ImportRun` moves on: killed at any point and started again
with the same file, it goes on after the last batch that was committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.executions.importing.history import ensure_partitions
from apps.executions.importing.loading import load
from apps.executions.importing.parsing import LogParser
from apps.executions.importing.rejects import RejectsFile, rejects_file
from apps.executions.importing.source import Batch, Source
from apps.executions.models import ImportRun
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import audit

BATCH = 10_000  # lines


class ImportBusy(Exception):
    """Another process imports the same file; the message says so."""


@dataclass(slots=True)
class ImportReport:
    """Counts are of the whole import, also of earlier runs of it; `examples` are the first rejected lines of this run.

    `repeated` lines were in the ledger already by their id in the old system. `done` and `size` are bytes.
    """

    size: int
    done: int = 0
    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    dry_run: bool = False
    resumed: bool = False
    nothing_to_do: bool = False
    examples: list[tuple[int, str]] = field(default_factory=list)

    @property
    def payload(self) -> dict[str, Any]:
        names = ("size", "accepted", "repeated", "rejected", "dry_run", "resumed", "nothing_to_do")
        return {name: getattr(self, name) for name in names}

    def add(self, batch: Batch, accepted: int, repeated: int) -> None:
        self.done = batch.end
        self.accepted += accepted
        self.repeated += repeated
        self.rejected += len(batch.rejected)
        self.examples.extend(batch.rejected[: 20 - len(self.examples)])


Progress = Callable[[ImportReport], None]


def execution_logs_import(
    *,
    tenant: Tenant,
    path: Path,
    file_format: str,
    rejects: Path,
    timezone: ZoneInfo | None = None,
    batch: int = BATCH,
    dry_run: bool = False,
    actor: str,
    progress: Progress = lambda report: None,
) -> ImportReport:
    """Bring `path` into the ledger of `tenant`. A file that was imported to its end is not imported again.

    `timezone` is that of times without an offset. A dry run reads and judges every line, and writes nothing.
    Raises `UnusableFile`, `RejectsUnusable`, `ImportBusy`, OSError.
    """
    with path.open("rb") as file, tenant_scope(tenant):
        source = Source(file, file_format)
        parser = LogParser(now=_database_now(), textual=source.is_textual, timezone=timezone)
        report = ImportReport(size=source.size, dry_run=dry_run)
        if dry_run:
            for part in source.batches(parser, offset=0, line=0, limit=batch):
                report.add(part, len(part.rows), 0)
                progress(report)
            report.done = source.size
            return report
        run = _begin(tenant, source, path.name, actor)
        report.done, report.accepted = run.offset, run.accepted
        report.repeated, report.rejected = run.repeated, run.rejected
        report.resumed = run.offset > 0
        if run.finished_at is not None:
            report.nothing_to_do = True
            return report
        with rejects_file(rejects, offset=run.rejects_offset) as sink:
            for part in source.batches(parser, offset=run.offset, line=run.lines + 1, limit=batch):
                ensure_partitions(part.days)
                _take(run, part, sink, report)
                progress(report)
        report.done = source.size
        _finish(tenant, run, report, actor)
    return report


def _begin(tenant: Tenant, source: Source, file_name: str, actor: str) -> ImportRun:
    with transaction.atomic():
        run, is_new = ImportRun.objects.get_or_create(
            tenant=tenant, digest=source.digest, size=source.size, defaults={"file_name": file_name[-500:]}
        )
        run.refresh_from_db()
        if is_new:
            _audit(tenant, run, actor, "begin", {"file_name": run.file_name, "size": run.size})
    return run


def _take(run: ImportRun, part: Batch, sink: RejectsFile, report: ImportReport) -> None:
    with transaction.atomic():
        mine = ImportRun.objects.select_for_update().filter(
            pk=run.pk, tenant_id=run.tenant_id, offset=run.offset, finished_at=None
        )
        if not list(mine.values_list("pk")):
            raise ImportBusy("Another process is importing the same file; it goes on, this one ends.")
        loaded = load(tenant_id=run.tenant_id, rows=part.rows)
        for line, reason in part.rejected:
            sink.add(line, reason)
        run.offset, run.lines = part.end, part.next_line - 1
        run.accepted += loaded.accepted
        run.repeated += loaded.repeated
        run.rejected += len(part.rejected)
        run.rejects_offset = sink.flush()
        run.updated_at = Now()
        run.save(update_fields=_MOVING)
    report.add(part, loaded.accepted, loaded.repeated)


_MOVING = ["offset", "lines", "accepted", "repeated", "rejected", "rejects_offset", "updated_at"]


def _finish(tenant: Tenant, run: ImportRun, report: ImportReport, actor: str) -> None:
    with transaction.atomic():
        if ImportRun.objects.filter(pk=run.pk, tenant=tenant, finished_at=None).update(finished_at=Now()):
            _audit(tenant, run, actor, "finish", report.payload)


def _audit(tenant: Tenant, run: ImportRun, actor: str, step: str, data: dict[str, Any]) -> None:
    audit(
        actor=actor,
        action=f"execution_logs.import_{step}",
        tenant=tenant,
        object_type="import_run",
        object_id=run.pk,
        data=data | {"digest": run.digest},
    )


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cast(datetime, cursor.fetchone()[0])
