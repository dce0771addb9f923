"""manage.py export_tenant TENANT --out DIRECTORY|FILE.zip --reason R"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.lifecycle.export import tenant_export
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.progress import progress_to
from apps.tenants.services import Refused


class Command(BaseCommand):
    help = (
        "Write everything of a tenant to a directory or a zip file: JSON Lines a table and a manifest. What it keeps "
        "in confidence is opened, so this is audited; values of secrets and credentials are not in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its short name")
        parser.add_argument(
            "--out", required=True, type=Path, help="a new directory, or a file that ends in .zip"
        )
        parser.add_argument("--reason", required=True, help="kept in the audit trail")
        parser.add_argument("--actor", default=ACTOR, help="who does this, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenant_argument(options["tenant"])
        try:
            with progress_to(self.stderr, f"exporting {tenant.schema_name}") as step:
                done = tenant_export(
                    tenant=tenant,
                    out=options["out"],
                    reason=options["reason"],
                    actor=options["actor"],
                    progress=step,
                )
        except (Refused, OSError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{done.rows} rows in {len(done.manifest['files'])} files: {options['out']}")
