"""`manage.py alerts`: how the alerts stand; exits with 1 when one fires."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from apps.operations.alerts.evaluation import evaluate_alone
from apps.operations.alerts.selectors import StandingAlert, alert_states


class Command(BaseCommand):
    help = "How the alerts stand by their last evaluation; exits with 1 when one fires, also that nobody evaluates."

    # As `leadership`: they read the routes of the whole site, for which on-call would wait.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--evaluate",
            action="store_true",
            help="evaluate them first (for cron, without long-running workers)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["evaluate"]:
                evaluate_alone()
            stand = alert_states()
        except DatabaseError as error:
            raise CommandError(f"The database cannot say: {' '.join(str(error).split())}") from error
        if options["json"]:
            self.stdout.write(json.dumps({"alerts": [_payload(each) for each in stand]}))
        else:
            for each in stand:
                self.stdout.write(_line(each))
        if any(each.firing for each in stand):
            sys.exit(1)


def _payload(each: StandingAlert) -> dict[str, Any]:
    alert = each.alert
    return {
        "name": alert.name,
        "severity": alert.severity.value,
        "state": each.standing.value,
        "since": each.since.isoformat() if each.since else None,
        "value": each.value,
        "fires": alert.expression,
        "for_seconds": alert.for_seconds,
        "evaluated_at": each.evaluated_at.isoformat() if each.evaluated_at else None,
        "age_seconds": each.age_seconds,
        "summary": alert.summary,
        "runbook": f"docs/runbooks/{alert.runbook}.md",
    }


def _line(each: StandingAlert) -> str:
    value = "-" if each.value is None else f"{each.value:g}"
    line = f"{each.standing:8} {each.alert.severity:6} {each.alert.name:28} {value:>10}"
    if each.since:
        line += f"  since {each.since:%Y-%m-%d %H:%M:%S} UTC: {each.alert.summary}"
        line += f" docs/runbooks/{each.alert.runbook}.md"
    return line
