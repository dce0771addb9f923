"""manage.py runbooks [list [--check] | acknowledge SLUG | acknowledge --all] [--actor NAME] [--json]"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from apps.operations import runbooks
from apps.tenants.services import Refused

_ROW = "{:<24} {:<18} {:<24} {}"


class Command(BaseCommand):
    help = "Which runbooks have been read as they are now (list), and that you have read one (acknowledge)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=("list", "acknowledge"), default="list")
        parser.add_argument("slug", nargs="?", help="of the runbook that was read")
        parser.add_argument("--all", action="store_true", help="every one that nobody has read as it is now")
        parser.add_argument(
            "--actor", default="", help="who has read it, for the record; needed for acknowledge"
        )
        parser.add_argument("--check", action="store_true", help="exit with 1 when one is not acknowledged")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = self._acknowledge(options) if options["action"] == "acknowledge" else []
            found = runbooks.runbooks()
        except Refused as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            answer = {"acknowledged": done, "runbooks": [asdict(book) for book in found]}
            self.stdout.write(json.dumps(answer, cls=DjangoJSONEncoder))
        elif options["action"] == "acknowledge":
            self.stdout.write(f"Acknowledged: {', '.join(done) or 'nothing was left'}.")
        else:
            self.stdout.write(_table(found))
        if options["check"] and not all(book.current for book in found):
            sys.exit(1)

    def _acknowledge(self, options: dict[str, Any]) -> list[str]:
        slug, actor = options["slug"], options["actor"].strip()
        if bool(slug) == options["all"]:
            raise CommandError("Name one runbook, or say --all.")
        if not actor:
            raise CommandError("Say with --actor who has read it.")
        slugs = runbooks.unacknowledged() if options["all"] else [slug]
        for each in slugs:
            runbooks.acknowledge(slug=each, sha256=runbooks.document(each).sha256, actor=actor)
        return slugs


def _table(found: list[runbooks.Runbook]) -> str:
    lines = [_ROW.format("runbook", "state", "by", "at")]
    for book in found:
        at = f"{book.acknowledged_at:%Y-%m-%d %H:%M} UTC" if book.acknowledged_at else "-"
        lines.append(_ROW.format(book.slug, book.state, book.acknowledged_by or "-", at))
    left = sum(not book.current for book in found)
    lines.append(
        f"{left} of {len(found)} wait to be read as they are now." if left else "All are acknowledged."
    )
    return "\n".join(lines)
