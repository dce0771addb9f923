"""Say where a tenant's work is delivered. The signing secret is the only line on standard output."""

import base64
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants.arguments import ACTOR, tenant_argument
from apps.tenants.crypto import CannotOpen
from apps.tenants.services import Refused
from apps.vault import services


class Command(BaseCommand):
    help = "Set the URL to which a tenant's jobs are delivered, and print the secret that signs them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("url", nargs="?", help="default: where it is delivered now")
        parser.add_argument("--secret", help="a `whsec_` secret to sign with (default: keep, or make one)")
        parser.add_argument("--rotate", action="store_true", help="sign with a new secret and the last one")
        parser.add_argument(
            "--end-rotation", action="store_true", help="sign with the newest secret alone from now on"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["url"]
        if url is not None:
            _check(url)
        secret = options["secret"]
        if secret is not None and not _can_sign(secret):
            raise CommandError("A secret is `whsec_` and 24 to 64 bytes in base64.")
        tenant = tenant_argument(options["tenant"])
        if options["rotate"] and secret is None:
            secret = services.new_signing_secret()
        try:
            current = services.tenant_endpoint_set(
                tenant=tenant, url=url, secret=secret, end_rotation=options["end_rotation"], actor=ACTOR
            )
        except (Refused, CannotOpen) as error:
            raise CommandError(str(error)) from error
        where = f"delivered to {url}" if url else "delivered where it was"
        self.stderr.write(f"{tenant.schema_name}'s work is {where}, signed with:")
        self.stdout.write(current)


def _can_sign(secret: str) -> bool:
    """Whether what signs deliveries will take it; one that is a letter short would fail them all."""
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return False
    return encoded != secret and 24 <= len(key) <= 64


def _check(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise CommandError("The endpoint must be an http or https URL.")
    if urlsplit(url).username is not None:
        raise CommandError(
            "The endpoint's URL must not hold a user name or password: requests are signed instead."
        )
