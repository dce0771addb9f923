"""`manage.py alert_rules [--check]`: Prometheus's rules, the table of thresholds and the dashboard, from one list."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.alerts.documents import outdated, write


class Command(BaseCommand):
    help = "Write what is generated of the list of alerts; with --check, write nothing and fail where it differs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="exit with 1 where a file differs")

    def handle(self, *args: Any, **options: Any) -> None:
        files = outdated()
        if options["check"]:
            if files:
                names = ", ".join(str(path) for path in files)
                raise CommandError(f"Not as the list of alerts says: {names}. Run `manage.py alert_rules`.")
            return
        for path, text in files.items():
            write(path, text)
            self.stdout.write(f"wrote {path}")
