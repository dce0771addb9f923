"""Make a person a member of a tenant."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants import services
from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.models import Role


class Command(BaseCommand):
    help = "Make a person a member of a tenant; the account is made if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("username")
        parser.add_argument("--role", default="member", choices=Role.values)
        parser.add_argument("--user-id", help="the canonical user id (default: the username)")
        parser.add_argument("--legacy-user-id", type=int, help="the integer of an older system")
        parser.add_argument("--email", default="")
        parser.add_argument("--password", action="store_true", help="ask for a password to sign in with")

    def handle(self, *args: Any, **options: Any) -> None:
        password = getpass.getpass("Password: ") if options["password"] else None
        try:
            membership = services.member_create(
                tenant=tenant_argument(options["tenant"]),
                username=options["username"],
                role=options["role"],
                user_id=options["user_id"],
                legacy_user_id=options["legacy_user_id"],
                email=options["email"],
                password=password,
                actor=ACTOR,
            )
        except services.Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{membership.user_id} is {membership.role} of {options['tenant']}.")
