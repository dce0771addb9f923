"""Find drift between what should be stored and what is, and repair it with a reason."""

import json
from argparse import RawDescriptionHelpFormatter
from textwrap import wrap
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter

from apps.operations import services
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reports import ReconcileReport
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.services import Refused

_ROW = "{:<17} {:<15} {:<12} {:<12} {:>10}  {:<9} {}"
_WIDTH = 100


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """The list of kinds as it is."""


class Command(BaseCommand):
    help = "Find drift and repair it. Exits with 1 when something could not be repaired."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = _Formatter
        parser.epilog = _kinds()
        parser.add_argument(
            "--only",
            action="append",
            choices=list(RECONCILERS),
            metavar="KIND",
            help="this kind, of those below (repeatable; default: all of them)",
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


def _kinds() -> str:
    """What `--only` accepts, a sentence each."""
    lines = ["kinds:"]
    for kind, reconciler in RECONCILERS.items():
        about = f"{reconciler.about[0].upper()}{reconciler.about[1:]}."
        lines += [f"  {kind}", *wrap(about, _WIDTH, initial_indent="      ", subsequent_indent="      ")]
    return "\n".join(lines)


def _table(report: ReconcileReport) -> str:
    lines = []
    if report.items:
        lines.append(_ROW.format("kind", "problem", "tenant", "object", "id", "result", "what"))
    for item in report.items:
        drift = item.drift
        what = f"{drift.label}: {item.detail or drift.sentence}"
        columns = (drift.kind, drift.problem, report.tenant_of(item), drift.object_type, drift.object_id)
        lines.append(_ROW.format(*columns, item.result.value, what))
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    lines.append(f"{'Dry run: ' if report.dry_run else ''}{counts}")
    return "\n".join(lines)
