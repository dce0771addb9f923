"""Finding out whose request this is, before any tenant's scope is entered; and, within it, a tenant's people."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.functions import Now

from apps.tenants import keys
from apps.tenants.context import all_tenants_scope
from apps.tenants.identity import user_rows
from apps.tenants.models import (
    ApiKey,
    Domain,
    Invitation,
    InvitationStatus,
    KeyStatus,
    Membership,
    Tenant,
)

_NOT_EXPIRED = Q(expires_at=None) | Q(expires_at__gt=Now())


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


def valid_keys() -> QuerySet[ApiKey]:
    """The keys that are neither expired, by the database's clock, nor revoked."""
    return ApiKey.objects.filter(_NOT_EXPIRED, revoked_at=None)


def valid_key(text: str) -> ApiKey | None:
    """The key that `text` is, unless it is unknown, expired or revoked."""
    parsed = keys.parse(text)
    if parsed is None:
        return None
    key = valid_keys().filter(prefix=parsed.prefix).first()
    return key if key is not None and parsed.matches(key.secret_hash) else None


def members_of(tenant: Tenant) -> QuerySet[Membership]:
    """The tenant's members with their accounts."""
    return Membership.objects.filter(tenant=tenant).select_related("tenant", "account")


def member_named(tenant: Tenant, user_id: str) -> Membership | None:
    """The member that `user_id` names, in any of its forms."""
    return members_of(tenant).filter(user_rows(tenant.pk, user_id)).first()


def keys_of(tenant: Tenant) -> QuerySet[Any]:
    """The tenant's keys with their members, and with `status`: what `valid_key` would make of them now."""
    status = Case(
        When(revoked_at__isnull=False, then=Value(KeyStatus.REVOKED)),
        When(~_NOT_EXPIRED, then=Value(KeyStatus.EXPIRED)),
        default=Value(KeyStatus.ACTIVE),
        output_field=CharField(),
    )
    return (
        ApiKey.objects.filter(tenant=tenant)
        .select_related("tenant", "membership__account", "membership__tenant")
        .annotate(status=status)
    )


def invitations_of(tenant: Tenant) -> QuerySet[Any]:
    """The tenant's invitations with who gave them, and with `status`: what has become of each."""
    status = Case(
        When(accepted_at__isnull=False, then=Value(InvitationStatus.ACCEPTED)),
        When(revoked_at__isnull=False, then=Value(InvitationStatus.REVOKED)),
        When(expires_at__lte=Now(), then=Value(InvitationStatus.EXPIRED)),
        default=Value(InvitationStatus.OPEN),
        output_field=CharField(),
    )
    return (
        Invitation.objects.filter(tenant=tenant)
        .select_related("tenant", "invited_by")
        .annotate(status=status)
    )
