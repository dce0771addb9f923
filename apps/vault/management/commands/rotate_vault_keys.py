"""Seal every tenant's vault again under the newest key, so that the older ones can go."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants.arguments import ACTOR, tenant_argument
from apps.vault.rotation import BATCH, rotate_all


class Command(BaseCommand):
    help = (
        "Seal everything in the vaults again with the first of VAULT_KEYS, so that the others can be removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="only this one's vault")
        parser.add_argument(
            "--batch", type=int, default=BATCH, help="rows a transaction (default: %(default)s)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("A batch has at least one row.")
        tenant = tenant_argument(options["tenant"]) if options["tenant"] else None
        verb = "to re-seal" if options["dry_run"] else "re-sealed"
        reports = rotate_all(tenant=tenant, batch=options["batch"], dry_run=options["dry_run"], actor=ACTOR)
        done = left = closed = 0
        for report in reports:
            done, left, closed = (
                done + report.resealed,
                left + report.left,
                closed + len(report.closed),
            )
            self.stdout.write(
                f"{report.tenant}: {report.resealed} {verb}, {report.left} under the newest key before, "
                f"{len(report.closed)} cannot be opened"
            )
            for sentence in report.closed:
                self.stderr.write(f"{report.tenant}: {sentence}")
        self.stdout.write(f"{done} {verb}, {left} left as they were, {closed} cannot be opened.")
        if closed:
            raise CommandError(
                "Some rows open with none of the keys. Keep the old keys until that is settled."
            )
        if not options["dry_run"] and tenant is None and len(settings.VAULT_KEYS) > 1:
            self.stdout.write(
                "The older keys open nothing more here. See docs/security.md before removing them."
            )
