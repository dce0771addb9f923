"""Make a tenant with its schema and host name."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants import services
from apps.tenants.arguments import ACTOR
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan


class Command(BaseCommand):
    help = "Make a tenant: its schema, its host name, its plan."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("schema_name", help="its short name: lower-case letters, digits, underscores")
        parser.add_argument("--name", default="", help="what people call it (default: the short name)")
        parser.add_argument("--domain", help="its host name (default: <short name>.<TENANT_DOMAIN_SUFFIX>)")
        parser.add_argument(
            "--plan", default="standard", help="the name of an existing plan (default: standard)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with all_tenants_scope():
            plan = Plan.objects.filter(name=options["plan"]).first()
        if plan is None:
            raise CommandError(f"There is no plan {options['plan']!r}.")
        try:
            tenant = services.tenant_create(
                schema_name=options["schema_name"],
                name=options["name"] or options["schema_name"],
                domain=options["domain"],
                plan=plan,
                actor=ACTOR,
            )
        except services.Refused as error:
            raise CommandError(str(error)) from None
        with all_tenants_scope():
            host = tenant.domains.get().domain
        self.stdout.write(f"Tenant {tenant.schema_name} answers at {host}.")
