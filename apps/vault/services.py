"""Putting into and taking from the vault. Call these inside `tenant_scope(tenant)`: the schema is the tenant's."""

import base64
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.tenants.context import current_schema_name, tenant_scope
from apps.tenants.crypto import CannotOpen, open_sealed, seal
from apps.tenants.models import Tenant
from apps.tenants.services import Refused, audit
from apps.vault.labels import content_label, endpoint_label, secret_label
from apps.vault.models import Endpoint, JobContent, Secret

logger = logging.getLogger(__name__)
CHANGED_CHANNEL = "scheduler_vault"  # the payload is the schema in which an endpoint or a secret has changed
MAX_SECRET = 16 * 1024  # characters
# In the ORM's words this is an OR of as many terms as there are pairs, which cost more to write than to run.
_CONTENTS = """
SELECT job_id, version, content.sealed FROM unnest(%s::bigint[], %s::integer[]) AS wanted (job_id, version)
JOIN vault_jobcontent AS content USING (job_id, version)
"""


@dataclass(frozen=True, slots=True)
class EndpointContent:
    """Where to deliver, and the secrets to sign with, newest first. The secrets stay out of its repr."""

    url: str
    secrets: list[str] = field(repr=False)


def content_put(*, job_id: int, version: int, content: dict[str, Any]) -> None:
    """Keep `content` as that version of the job's content. A version is written once."""
    sealed = seal(current_schema_name(), content_label(job_id, version), content)
    JobContent.objects.create(job_id=job_id, version=version, sealed=sealed)


def content_get(*, job_id: int, version: int) -> dict[str, Any]:
    """Raises `JobContent.DoesNotExist` and `CannotOpen`."""
    row = JobContent.objects.get(job_id=job_id, version=version)
    return _open_content(job_id, version, row.sealed)


def contents_get(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The contents of many (job_id, version) in one query.

    What does not exist or cannot be opened is left out: one damaged row must not take a page of others with it.
    """
    wanted = set(pairs)
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    found, closed = {}, []
    with connection.cursor() as cursor:
        cursor.execute(_CONTENTS, columns)
        rows = cursor.fetchall()
    for job_id, version, sealed in rows:
        try:
            found[job_id, version] = _open_content(job_id, version, sealed)
        except CannotOpen as error:
            closed.append(str(error))
    if closed:
        logger.warning(
            "tenant %s: of its contents %d stay closed: %s", current_schema_name(), len(closed), closed[0]
        )
    return found


def _open_content(job_id: int, version: int, sealed: bytes | memoryview) -> dict[str, Any]:
    content: dict[str, Any] = open_sealed(current_schema_name(), content_label(job_id, version), sealed)
    return content


def endpoint_put(*, url: str, signing_secrets: list[str], name: str = "default") -> None:
    """Deliver to `url` from now on, signing with `signing_secrets` (newest first)."""
    sealed = seal(current_schema_name(), endpoint_label(name), signing_secrets)
    Endpoint.objects.update_or_create(
        name=name, defaults={"url": url, "sealed_secrets": sealed, "updated_at": Now()}
    )
    _notify_change()


def tenant_endpoint_set(
    *,
    tenant: Tenant,
    url: str | None = None,
    secret: str | None = None,
    end_rotation: bool = False,
    actor: str,
) -> str:
    """Deliver `tenant`'s work to `url` (None: where it goes now); returns the secret that signs it from now on.

    A new `secret` comes first and the last one still signs beside it, so that the receiver can change over;
    `end_rotation` signs with the newest alone. Without a secret the present ones stay, or one is made. Raises `Refused`
    when there is no URL, and `CannotOpen` when the present secrets cannot be opened and no new one is given.
    """
    with tenant_scope(tenant), transaction.atomic():
        row = Endpoint.objects.select_for_update().filter(name="default").first()
        url = url or (row.url if row else None)
        if url is None:
            raise Refused(f"{tenant.schema_name} has no endpoint yet; give its URL.")
        known = _known_secrets(row, replaced=secret is not None)
        signing = known
        if secret is not None and secret not in known[:1]:
            signing = [secret, *known[:1]]
        signing = signing or [new_signing_secret()]
        if end_rotation:
            signing = signing[:1]
        endpoint_put(url=url, signing_secrets=signing)
        audit(
            actor=actor,
            action="endpoint.set",
            tenant=tenant,
            object_type="endpoint",
            object_id="default",
            data={
                "before": _recorded(row.url, known) if row else None,
                "after": _recorded(url, signing),
                "rotated": bool(known) and signing[0] != known[0],
            },
        )
    return signing[0]


def _known_secrets(row: Endpoint | None, *, replaced: bool) -> list[str]:
    if row is None:
        return []
    try:
        known: list[str] = open_sealed(current_schema_name(), endpoint_label(row.name), row.sealed_secrets)
    except CannotOpen:
        if replaced:
            return []  # lost for good; the new one is the way out
        raise
    return known


def _recorded(url: str, signing_secrets: list[str]) -> dict[str, Any]:
    """What the audit trail may say of an endpoint: a path or a query can be a password of the receiver's."""
    return {"host": urlsplit(url).hostname, "signing_secrets": len(signing_secrets)}


def new_signing_secret() -> str:
    """A Standard Webhooks secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def endpoint_get(name: str = "default") -> EndpointContent | None:
    """Raises `CannotOpen`."""
    row = Endpoint.objects.filter(name=name).first()
    if row is None:
        return None
    return EndpointContent(
        row.url, open_sealed(current_schema_name(), endpoint_label(name), row.sealed_secrets)
    )


def secret_put(*, name: str, value: str) -> None:
    sealed = seal(current_schema_name(), secret_label(name), value)
    Secret.objects.update_or_create(name=name, defaults={"sealed": sealed})
    _notify_change()


def _notify_change() -> None:
    """Have workers, when this commits, read anew what they keep of the tenant."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANGED_CHANNEL, current_schema_name()])


def tenant_secret_set(*, tenant: Tenant, name: str, value: str, actor: str) -> bool:
    """Keep `value` as the tenant's secret of that name; whether it replaced one. Nobody reads it back.

    Raises `Refused` for a name or a value that cannot be kept.
    """
    if not name.isprintable() or not 0 < len(name.strip()) <= 100 or name != name.strip():
        raise Refused("A secret's name is 1 to 100 printable characters without blanks around them.")
    if not 0 < len(value) <= MAX_SECRET:
        raise Refused(f"A secret is 1 to {MAX_SECRET:,} characters long.")
    with tenant_scope(tenant), transaction.atomic():
        replaced = Secret.objects.filter(name=name).exists()
        secret_put(name=name, value=value)
        audit(
            actor=actor,
            action="secret.set",
            tenant=tenant,
            object_type="secret",
            object_id=name,
            data={"before": {"set": replaced}, "after": {"set": True}},
        )
    return replaced


def secret_get(name: str) -> str | None:
    """Raises `CannotOpen`."""
    row = Secret.objects.filter(name=name).first()
    return None if row is None else open_sealed(current_schema_name(), secret_label(name), row.sealed)
