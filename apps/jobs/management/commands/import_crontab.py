"""manage.py import_crontab FILE --tenant T [--user-column] [--timezone ZONE] [--actor NAME] [--dry-run]"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.jobs.crontab import CrontabEntry, Problem
from apps.jobs.imports import CrontabImport, crontab_import
from apps.tenants.arguments import tenant_argument


class Command(BaseCommand):
    help = "Make a job of each line of a crontab: all of them, or none where a line cannot be taken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a crontab")
        parser.add_argument("--tenant", required=True, help="the tenant's short name")
        parser.add_argument(
            "--user-column", action="store_true", help="a system crontab, with a user before the command"
        )
        parser.add_argument("--timezone", default="UTC", help="the zone of lines that no CRON_TZ precedes")
        parser.add_argument(
            "--actor", default="import_crontab", help="who imports; a member's user id makes the jobs theirs"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenant_argument(options["tenant"])
        result = crontab_import(
            tenant=tenant,
            text=_read(options["file"]),
            user_column=options["user_column"],
            timezone=options["timezone"],
            dry_run=options["dry_run"],
            actor=options["actor"],
        )
        for notice in result.notices:
            self.stdout.write(f"note: {_worded(notice)}")
        if result.problems:
            listed = "\n".join(_worded(problem) for problem in sorted(result.problems, key=_line))
            raise CommandError(f"Nothing was imported.\n{listed}")
        self._report(result)

    def _report(self, result: CrontabImport) -> None:
        for word, entries in (("created", result.created), ("updated", result.updated)):
            for entry in entries:
                self.stdout.write(f"{word}: {_entry(entry)}")
        counts = (
            f"{len(result.created)} created, {len(result.updated)} updated, {len(result.unchanged)} unchanged"
        )
        self.stdout.write(f"{counts} (dry run: nothing was changed)" if result.dry_run else counts)


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not UTF-8 text (byte {error.start}).") from error


def _line(problem: Problem) -> int:
    return problem.line_number


def _worded(problem: Problem) -> str:
    if not problem.line_number:
        return problem.sentence
    return f"line {problem.line_number}: {problem.sentence} [{problem.line}]"


def _entry(entry: CrontabEntry) -> str:
    return f"line {entry.line_number}: {entry.schedule} {entry.name}"
