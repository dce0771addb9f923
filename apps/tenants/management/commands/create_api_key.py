"""Make an API key for a member. The key is the only line on standard output."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.tenants import services
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.context import tenant_scope
from apps.tenants.models import Role, Scope
from apps.tenants.selectors import members_of


class Command(BaseCommand):
    help = "Make an API key for a member of a tenant and print it: it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("user_id", help="the member's canonical user id")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--role", choices=Role.values, help="weaker than the member's, if wanted")
        parser.add_argument("--scope", action="append", default=[], choices=Scope.values, help="default: all")
        parser.add_argument("--days", type=int, help="how long it is valid (default: until revoked)")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenant_argument(options["tenant"])
        with tenant_scope(tenant):
            membership = members_of(tenant).filter(user_id=options["user_id"]).first()
        if membership is None:
            raise CommandError(f"{options['user_id']!r} is no member of {tenant.schema_name}.")
        days = options["days"]
        if days is not None and days < 1:
            raise CommandError("--days must be 1 or more.")
        try:
            _, text = services.api_key_create(
                membership=membership,
                name=options["name"],
                role=options["role"],
                scopes=options["scope"],
                expires_at=timezone.now() + timedelta(days=days) if days else None,
                actor=ACTOR,
            )
        except services.Refused as error:
            raise CommandError(str(error)) from None
        self.stderr.write("Keep this key: it cannot be shown again.")
        self.stdout.write(text)
