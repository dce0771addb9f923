"""manage.py backfill_user_ids [--tenant T] [--batch N] [--pause SECONDS] [--dry-run] [--json]"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.user_ids.backfill import BATCH, BackfillReport, user_ids_backfill
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from apps.tenants.progress import progress_to

MAX_BATCH = 50_000
_ROW = "{:<16} {:>9} {:>9} {:>9} {:>9} {:>11}"


class Command(BaseCommand):
    help = "Fill the empty user id column of rows whose other one is mapped. Safe under load, and to stop and repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="its short name (default: all tenants)")
        parser.add_argument("--batch", type=int, default=BATCH, help=f"rows a transaction (default {BATCH})")
        parser.add_argument("--pause", type=float, default=0.0, help="seconds after each batch (default 0)")
        parser.add_argument("--dry-run", action="store_true", help="count what is left, change nothing")
        parser.add_argument("--actor", default=ACTOR, help="who does this, for the audit trail")
        parser.add_argument("--json", action="store_true", help="one JSON object a tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch"] <= MAX_BATCH or not 0 <= options["pause"] <= 3600:
            raise CommandError(f"--batch is from 1 to {MAX_BATCH}, --pause from 0 to 3600.")
        for tenant in _tenants(options["tenant"]):
            with progress_to(self.stderr, tenant.schema_name, quiet=options["json"]) as step:
                report = user_ids_backfill(
                    tenant=tenant,
                    batch=options["batch"],
                    pause=options["pause"],
                    dry_run=options["dry_run"],
                    actor=options["actor"],
                    progress=lambda report, step=step: step(  # type: ignore[misc]
                        report.done, report.total, f"{report.done} of {report.total} rows"
                    ),
                )
            self.stdout.write(json.dumps(report.payload) if options["json"] else _table(report))


def _tenants(name: str | None) -> list[Tenant]:
    if name:
        return [tenant_argument(name)]
    with all_tenants_scope():
        return list(Tenant.objects.select_related("plan").order_by("schema_name"))


def _table(report: BackfillReport) -> str:
    lines = [_ROW.format(report.tenant, "strings", "integers", "left", "conflicts", "unresolved")]
    for name, counts in report.tables.items():
        lines.append(
            _ROW.format(
                f"  {name}",
                counts.strings,
                counts.integers,
                counts.left,
                counts.conflicts,
                counts.unresolved,
            )
        )
    if report.dry_run:
        lines.append("Dry run: nothing was changed.")
    return "\n".join(lines)
