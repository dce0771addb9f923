"""Keep a named secret of a tenant's. The value is read from standard input: a command line can be read by others."""

import sys
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.services import Refused
from apps.vault.services import tenant_secret_set


class Command(BaseCommand):
    help = "Set a named secret that a tenant's jobs may use. Nobody can read it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenant_argument(options["tenant"])
        value = getpass("Value: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
        try:
            replaced = tenant_secret_set(tenant=tenant, name=options["name"], value=value, actor=ACTOR)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"{options['name']} of {tenant.schema_name} is {'replaced' if replaced else 'set'}."
        )
