"""Finding out whose request this is. These run before any tenant's scope is entered."""

from typing import cast

from django.db.models import Q
from django.db.models.functions import Now

from apps.tenants import keys
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import ApiKey, Domain, Tenant


def tenant_of_host(host: str) -> Tenant | None:
    """The tenant whose domain `host` is (lower case, without port)."""
    with all_tenants_scope():
        domain = Domain.objects.select_related("tenant__plan").filter(domain=host).first()
    return cast(Tenant, domain.tenant) if domain else None


def tenant_of_key(key: ApiKey) -> Tenant:
    with all_tenants_scope():
        return cast(Tenant, Tenant.objects.select_related("plan").get(pk=key.tenant_id))


def tenant_by_name(schema_name: str) -> Tenant | None:
    """For commands, which name tenants by their schema."""
    with all_tenants_scope():
        return cast(
            Tenant | None, Tenant.objects.select_related("plan").filter(schema_name=schema_name).first()
        )


def valid_key(text: str) -> ApiKey | None:
    """The key that `text` is, unless it is unknown, expired or revoked (by the database's clock)."""
    parsed = keys.parse(text)
    if parsed is None:
        return None
    key = (
        ApiKey.objects.filter(prefix=parsed.prefix, revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        .first()
    )
    return key if key is not None and parsed.matches(key.secret_hash) else None
