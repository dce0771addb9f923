"""manage.py delete_tenant TENANT --confirm TENANT --reason R [--delay DAYS] [--cancel] [--batch N] [--rest X]

Stands here and not beside what it calls, lest django-tenants' command of the same name be found first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.lifecycle.deletion import BATCH, REST, tenant_delete
from apps.tenants import oncall
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.models import Tenant
from apps.tenants.progress import progress_to
from apps.tenants.services import Refused


class Command(BaseCommand):
    help = (
        "Delete a suspended tenant with all that is its own. Asked the first time it marks the tenant and says from "
        "when on it may be deleted; asked again after that it deletes. Safe to stop at any point and to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its short name")
        parser.add_argument("--confirm", required=True, metavar="TENANT", help="the short name once more")
        parser.add_argument(
            "--reason", required=True, help="kept in the audit trail; do not name the customer"
        )
        parser.add_argument("--delay", type=float, help="days to wait, 0 for none (TENANT_DELETION_DELAY)")
        parser.add_argument(
            "--cancel", action="store_true", help="not to be deleted after all; it stays suspended"
        )
        parser.add_argument("--batch", type=int, default=BATCH, help=f"rows a transaction (default {BATCH})")
        parser.add_argument(
            "--rest", type=float, default=REST, help="after each, times what it took (default 1)"
        )
        parser.add_argument("--actor", default=ACTOR, help="who does this, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch"] <= 50_000 or not 0 <= options["rest"] <= 100:
            raise CommandError("--batch is from 1 to 50000, --rest from 0 to 100.")
        days = options["delay"]
        if days is not None and not 0 <= days <= 3650:
            raise CommandError("--delay is from 0 to 3650 days.")
        tenant = tenant_argument(options["tenant"])
        said = {"tenant": tenant, "reason": options["reason"], "actor": options["actor"]}
        try:
            if options["cancel"]:
                oncall.tenant_deletion_cancel(**said)
                self.stdout.write(f"{tenant.schema_name} stays, suspended.")
                return
            marked = tenant.status == Tenant.Status.DELETING
            delay = None if days is None else timedelta(days=days)
            held = oncall.tenant_deletion_request(short_name=options["confirm"], delay=delay, **said)
            if not marked:
                self.stdout.write(
                    f"{tenant.schema_name} may be deleted from {held.deletion_due_at:%Y-%m-%d %H:%M} UTC on. "
                    "Nothing is deleted yet: give this command again then, or with --cancel before."
                )
                return
            with progress_to(self.stderr, f"deleting tenant {tenant.pk}") as step:
                done = tenant_delete(
                    batch=options["batch"],
                    rest=options["rest"],
                    progress=lambda at, tables, text: step(at, tables, text),
                    **said,
                )
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Tenant {tenant.pk} is deleted: {sum(done.rows.values())} rows in this run, its schema and its row. "
            "The audit trail keeps its number."
        )
