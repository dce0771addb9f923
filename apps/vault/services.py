"""Putting into and taking from the vault. Call these inside `tenant_scope(tenant)`: the schema is the tenant's."""

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.tenants.context import current_schema_name, tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import audit
from apps.vault.crypto import open_sealed, seal
from apps.vault.models import Endpoint, JobContent, Secret


@dataclass(frozen=True, slots=True)
class EndpointContent:
    """Where to deliver, and the secrets to sign with, newest first. The secrets stay out of its repr."""

    url: str
    secrets: list[str] = field(repr=False)


def content_put(*, job_id: int, version: int, content: dict[str, Any]) -> None:
    """Keep `content` as that version of the job's content. A version is written once."""
    sealed = seal(current_schema_name(), f"content:{job_id}:{version}", content)
    JobContent.objects.create(job_id=job_id, version=version, sealed=sealed)


def content_get(*, job_id: int, version: int) -> dict[str, Any]:
    """Raises `JobContent.DoesNotExist` and `CannotOpen`."""
    row = JobContent.objects.get(job_id=job_id, version=version)
    return _open_content(row)


def contents_get(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The contents of many (job_id, version) in one query; pairs that do not exist are left out."""
    wanted = set(pairs)
    if not wanted:
        return {}
    either = Q()
    for job_id, version in wanted:
        either |= Q(job_id=job_id, version=version)
    return {(row.job_id, row.version): _open_content(row) for row in JobContent.objects.filter(either)}


def _open_content(row: JobContent) -> dict[str, Any]:
    content: dict[str, Any] = open_sealed(
        current_schema_name(), f"content:{row.job_id}:{row.version}", row.sealed
    )
    return content


def endpoint_put(*, url: str, signing_secrets: list[str], name: str = "default") -> None:
    """Deliver to `url` from now on, signing with `signing_secrets` (newest first)."""
    sealed = seal(current_schema_name(), f"endpoint:{name}", signing_secrets)
    Endpoint.objects.update_or_create(
        name=name, defaults={"url": url, "sealed_secrets": sealed, "updated_at": Now()}
    )


def tenant_endpoint_set(*, tenant: Tenant, url: str, secret: str | None = None, actor: str) -> str:
    """Deliver `tenant`'s work to `url`; returns the secret that signs it from now on.

    A given `secret` comes first and the last one still signs beside it, so that the receiver can change over. Without
    one the present secret stays, or one is made.
    """
    with tenant_scope(tenant), transaction.atomic():
        present = endpoint_get()
        known = present.secrets if present else []
        newest = secret or (known[0] if known else new_signing_secret())
        endpoint_put(url=url, signing_secrets=[newest, *(old for old in known[:1] if old != newest)])
        audit(
            actor=actor,
            action="endpoint.set",
            tenant=tenant,
            object_type="endpoint",
            object_id="default",
            data={"host": urlsplit(url).hostname, "rotated": bool(known) and newest != known[0]},
        )
    return newest


def new_signing_secret() -> str:
    """A Standard Webhooks secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def endpoint_get(name: str = "default") -> EndpointContent | None:
    row = Endpoint.objects.filter(name=name).first()
    if row is None:
        return None
    return EndpointContent(
        row.url, open_sealed(current_schema_name(), f"endpoint:{name}", row.sealed_secrets)
    )


def secret_put(*, name: str, value: str) -> None:
    sealed = seal(current_schema_name(), f"secret:{name}", value)
    Secret.objects.update_or_create(name=name, defaults={"sealed": sealed})


def secret_get(name: str) -> str | None:
    row = Secret.objects.filter(name=name).first()
    return None if row is None else open_sealed(current_schema_name(), f"secret:{name}", row.sealed)
