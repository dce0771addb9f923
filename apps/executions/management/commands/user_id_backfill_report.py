"""manage.py user_id_backfill_report [--tenant T] [--json]"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.executions.user_id_report import UserIdCounts, user_id_report
from apps.tenants.arguments import tenant_argument


class Command(BaseCommand):
    help = "How many rows of the ledger have the old user id, the new one, both, or an old one without a mapping."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="its short name (default: all tenants)")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = user_id_report(tenant=tenant_argument(options["tenant"]) if options["tenant"] else None)
        sums = UserIdCounts("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
        if options["json"]:
            payload = {"tenants": [row._asdict() for row in rows], "all": sums._asdict()}
            self.stdout.write(json.dumps(payload))
            return
        table = [UserIdCounts._fields, *rows, *([sums] if len(rows) > 1 else [])]
        width = max(len(str(row[0])) for row in table)
        for name, *counts in table:
            self.stdout.write(f"{name:<{width}}" + "".join(f"{count:>13}" for count in counts))
