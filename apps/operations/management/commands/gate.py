"""`manage.py gate 1 | 2 | 3 | all | record FILE`: whether the release may go on, and the results it is judged by."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from apps.operations.gates import GATES, GateReport, run_gate
from apps.operations.gates.evidence import evidence_record
from apps.tenants.arguments import ACTOR
from apps.tenants.services import Refused

ALL, RECORD = "all", "record"


class Command(BaseCommand):
    help = "Run a stage gate against this database and the last results of the test matrix. Exits with 1 at NO-GO."

    # Gate 1 makes the checks of isolation itself and reports them as one of its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("gate", choices=[*map(str, GATES), ALL, RECORD], help="which; or record results")
        parser.add_argument("files", nargs="*", type=Path, help="with record: results of rows of the matrix")
        parser.add_argument("--json", action="store_true", help="one JSON object; with all, a list of them")
        parser.add_argument("--actor", default=ACTOR, help="with record: who does this, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        gate, files = options["gate"], options["files"]
        if bool(files) != (gate == RECORD):
            raise CommandError("`gate record` needs files of results; nothing else takes any.")
        try:
            if gate == RECORD:
                self._record(files, options["actor"])
                return
            reports = [run_gate(number) for number in (GATES if gate == ALL else [int(gate)])]
        except Refused as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(f"The database cannot say: {' '.join(str(error).split())}") from error
        if options["json"]:
            payloads = [report.payload for report in reports]
            self.stdout.write(json.dumps(payloads if gate == ALL else payloads[0]))
        else:
            self.stdout.write("\n\n".join(map(_lines, reports)))
        if not all(report.go for report in reports):
            raise SystemExit(1)

    def _record(self, files: list[Path], actor: str) -> None:
        for path in files:
            result = evidence_record(path=path, actor=actor)
            self.stdout.write(
                f"Row {result.row} on {result.commit[:12]}: {result.passed} passed, {result.failed} failed."
            )


def _lines(report: GateReport) -> str:
    lines = [f"Gate {report.gate}: {report.title}"]
    lines += [
        f"  {'ok    ' if check.ok else 'NOT OK'}  {check.name}: {check.evidence}" for check in report.checks
    ]
    return "\n".join([*lines, report.verdict])
