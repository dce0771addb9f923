"""manage.py import_execution_logs FILE --tenant T [--format csv|jsonl] [--timezone ZONE] [--rejects FILE]"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.executions.importing.records import UnusableFile
from apps.executions.importing.rejects import RejectsUnusable
from apps.executions.importing.run import BATCH, ImportBusy, ImportReport, execution_logs_import
from apps.executions.importing.source import FORMATS, format_of
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.models import Tenant
from apps.tenants.progress import progress_to

MAX_BATCH = 100_000


class Command(BaseCommand):
    help = (
        "Bring another system's execution logs into the ledger. Started again, it goes on where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="an export, CSV with a header or JSON Lines, in UTF-8")
        parser.add_argument("--tenant", required=True, help="the tenant's short name")
        parser.add_argument("--format", choices=FORMATS, help="default: by the file's name")
        parser.add_argument(
            "--timezone", help="of times without an offset; without it such lines are rejected"
        )
        parser.add_argument(
            "--rejects", type=Path, help="where rejected lines are listed (default: FILE.rejects.jsonl)"
        )
        parser.add_argument("--batch", type=int, default=BATCH, help=f"lines a transaction (default {BATCH})")
        parser.add_argument("--dry-run", action="store_true", help="read and judge every line, write nothing")
        parser.add_argument("--actor", default=ACTOR, help="who imports, for the audit trail")
        parser.add_argument("--json", action="store_true", help="the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not 1 <= options["batch"] <= MAX_BATCH:
            raise CommandError(f"--batch is from 1 to {MAX_BATCH}.")
        rejects = options["rejects"] or path.with_name(f"{path.name}.rejects.jsonl")
        tenant = tenant_argument(options["tenant"])
        try:
            with progress_to(self.stderr, "Importing", quiet=options["json"]) as step:
                report = execution_logs_import(
                    tenant=tenant,
                    path=path,
                    file_format=options["format"] or format_of(path),
                    rejects=rejects,
                    timezone=_zone(options["timezone"]),
                    batch=options["batch"],
                    dry_run=options["dry_run"],
                    actor=options["actor"],
                    progress=lambda report: step(report.done, report.size, _counts(report)),
                )
        except (UnusableFile, RejectsUnusable, ImportBusy) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or path}: {error.strerror}.") from None
        if options["json"]:
            self.stdout.write(json.dumps(report.payload))
        else:
            self.stdout.write(f"{_worded(report, rejects)}\n{_kept(tenant)}")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandError(f"{name!r} is no time zone.") from None


def _counts(report: ImportReport) -> str:
    return f"{report.accepted} accepted, {report.repeated} repeated, {report.rejected} rejected"


def _kept(tenant: Tenant) -> str:
    """What retention will do with it."""
    days = tenant.plan.retention_days
    if not days:
        return "The tenant's plan keeps history for ever."
    return (
        f"Retention deletes nothing of this tenant's history for {days} days after its last import, its plan's; "
        f"then whatever is older than {days} days."
    )


def _worded(report: ImportReport, rejects: Path) -> str:
    if report.nothing_to_do:
        return f"This file was imported to its end before ({_counts(report)}). Nothing was imported."
    lines = [_counts(report)]
    if report.dry_run:
        lines = [f"line {line}: {reason}" for line, reason in report.examples] + lines
        lines.append("Dry run: nothing was written.")
    elif report.rejected:
        lines.append(f"The rejected lines are in {rejects}.")
    return "\n".join(lines)
