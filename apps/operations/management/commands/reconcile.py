"""Find drift between what should be stored and what is, and repair it with a reason."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations import services
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reports import ReconcileReport
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.services import Refused

_ROW = "{:<12} {:<14} {:>8} {:>10}  {:<10} {}"


class Command(BaseCommand):
    help = "Find drift and repair it. Exits with 1 when something could not be repaired."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", action="append", choices=list(RECONCILERS), help="this kind (repeatable)"
        )
        parser.add_argument("--tenant", help="its short name (default: all tenants)")
        parser.add_argument("--dry-run", action="store_true", help="show what would be repaired")
        parser.add_argument("--reason", default="", help="goes into the audit trail; needed unless --dry-run")
        parser.add_argument("--actor", default=ACTOR, help="who does this, for the audit trail")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = services.reconcile(
                kinds=options["only"] or list(RECONCILERS),
                tenant=tenant_argument(options["tenant"]) if options["tenant"] else None,
                dry_run=options["dry_run"],
                reason=options["reason"],
                actor=options["actor"],
            )
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(report.payload) if options["json"] else _table(report))
        if report.failures:
            raise SystemExit(1)


def _table(report: ReconcileReport) -> str:
    lines = []
    if report.items:
        lines.append(_ROW.format("kind", "problem", "tenant", "job", "result", "what"))
    for item in report.items:
        drift = item.drift
        what = f"{drift.label}: {item.detail or drift.sentence}"
        lines.append(
            _ROW.format(drift.kind, drift.problem, drift.tenant_id, drift.object_id, item.result.value, what)
        )
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    lines.append(f"{'Dry run: ' if report.dry_run else ''}{counts}")
    return "\n".join(lines)
