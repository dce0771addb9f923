"""Making tenants, members and keys. Every one of these leaves an audit entry in the same transaction."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.tenants import keys, provisioning
from apps.tenants.context import all_tenants_scope
from apps.tenants.identity import as_integer
from apps.tenants.models import (
    ApiKey,
    AuditEntry,
    Domain,
    Membership,
    Plan,
    Role,
    Scope,
    Tenant,
    User,
    UserIdentity,
)

_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{1,49}")
_RESERVED = frozenset({"public", "information_schema", "api", "admin", "www"})


class Refused(ValueError):
    """A request that breaks a rule; the message is a sentence for the person who made it."""


def audit(
    *,
    actor: str,
    action: str,
    tenant: Tenant | None = None,
    object_type: str = "",
    object_id: str | int = "",
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Record who did what. Call it inside the transaction of the deed, in a scope that sees `tenant`."""
    # bulk_create, for it asks nothing back: the row may be one that this scope cannot read.
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                tenant=tenant,
                actor=actor,
                action=action,
                object_type=object_type,
                object_id=str(object_id),
                reason=reason,
                data=dict(data or {}),
            )
        ]
    )


def plan_create(*, name: str, **limits: Any) -> Plan:
    """A plan with the given limits; the rest are the model's defaults."""
    with all_tenants_scope():
        return Plan.objects.create(name=name, **limits)


def tenant_create(
    *, schema_name: str, name: str, plan: Plan | None = None, domain: str | None = None, actor: str
) -> Tenant:
    """A tenant with its schema and host name (`<schema>.<TENANT_DOMAIN_SUFFIX>` unless given).

    Raises `Refused` when the name is unusable or taken.
    """
    if not _SCHEMA_NAME.fullmatch(schema_name) or schema_name in _RESERVED or schema_name.startswith("pg_"):
        raise Refused(
            f"{schema_name!r} cannot name a tenant: use 2 to 50 lower-case letters, digits and underscores, "
            "beginning with a letter."
        )
    host = (domain or f"{schema_name.replace('_', '-')}.{settings.TENANT_DOMAIN_SUFFIX}").lower()
    with all_tenants_scope(), transaction.atomic():
        if Tenant.objects.filter(schema_name=schema_name).exists():
            raise Refused(f"There is a tenant {schema_name!r} already.")
        if Domain.objects.filter(domain=host).exists():
            raise Refused(f"The host name {host!r} belongs to a tenant already.")
        plan = plan or Plan.objects.get(name="standard")
        tenant = Tenant(schema_name=schema_name, name=name, plan=plan)
        tenant.save()
        Domain.objects.create(tenant=tenant, domain=host, is_primary=True)
        provisioning.create_schema(tenant)
        audit(actor=actor, action="tenant.create", tenant=tenant, object_type="tenant", object_id=tenant.pk)
    return tenant


def member_create(
    *,
    tenant: Tenant,
    username: str,
    role: str,
    user_id: str | None = None,
    legacy_user_id: int | None = None,
    email: str = "",
    password: str | None = None,
    actor: str,
) -> Membership:
    """Make `username` a member of `tenant`; the account is made if there is none.

    `user_id` is canonical and defaults to the username. With `legacy_user_id` the pair is recorded as one identity.
    Raises `Refused` when the role is unknown or the place is taken.
    """
    if role not in Role.values:
        raise Refused(f"{role!r} is no role; use one of {', '.join(Role.values)}.")
    with all_tenants_scope(), transaction.atomic():
        account, is_new = User.objects.get_or_create(username=username, defaults={"email": email})
        if is_new:
            account.set_password(password)
            account.save(update_fields=["password"])
        canonical = user_id or username
        taken = Membership.objects.filter(tenant=tenant)
        if taken.filter(account=account).exists() or taken.filter(user_id=canonical).exists():
            raise Refused(f"{username!r} ({canonical!r}) is a member of {tenant.schema_name!r} already.")
        _refuse_anothers_number(tenant, canonical, legacy_user_id)
        membership = Membership.objects.create(
            tenant=tenant, account=account, role=role, user_id=canonical, legacy_user_id=legacy_user_id
        )
        if legacy_user_id is not None:
            UserIdentity.objects.get_or_create(
                tenant=tenant, legacy_user_id=legacy_user_id, defaults={"user_id": canonical}
            )
        audit(
            actor=actor,
            action="member.create",
            tenant=tenant,
            object_type="membership",
            object_id=membership.pk,
            data={"user_id": canonical, "role": role},
        )
    return membership


def _refuse_anothers_number(tenant: Tenant, canonical: str, legacy_user_id: int | None) -> None:
    """A number and its text are one user: whoever is called "7" would see what is user 7's."""
    claimed = {number for number in (as_integer(canonical), legacy_user_id) if number is not None}
    members = Q(legacy_user_id__in=claimed) | Q(user_id__in=[str(number) for number in claimed])
    mapped = UserIdentity.objects.filter(tenant=tenant, legacy_user_id__in=claimed).exclude(user_id=canonical)
    if Membership.objects.filter(members, tenant=tenant).exists() or mapped.exists():
        raise Refused(f"{canonical!r} or its number names another user of {tenant.schema_name!r}.")


def api_key_create(
    *,
    membership: Membership,
    name: str,
    role: str | None = None,
    scopes: Sequence[str] = (),
    expires_at: datetime | None = None,
    actor: str,
) -> tuple[ApiKey, str]:
    """A key of `membership` and its text, which nobody can learn again.

    `role` may be weaker than the member's, never stronger, and `scopes` are of `Scope`: raises `Refused`.
    """
    if unknown := sorted(set(scopes) - set(Scope.values)):
        raise Refused(f"{unknown[0]!r} is no scope; use {' or '.join(Scope.values)}.")
    wanted = Role(role or membership.role)
    if wanted.rank > Role(membership.role).rank:
        raise Refused(f"A key of a {membership.role} cannot have the role {wanted}.")
    text = keys.generate()
    with all_tenants_scope(), transaction.atomic():
        key = ApiKey.objects.create(
            tenant_id=membership.tenant_id,
            membership=membership,
            name=name,
            prefix=text.prefix,
            secret_hash=text.secret_hash,
            role=wanted,
            scopes=list(scopes),
            expires_at=expires_at,
        )
        audit(
            actor=actor,
            action="api_key.create",
            tenant=membership.tenant,
            object_type="api_key",
            object_id=text.prefix,
            data={"role": wanted.value},
        )
    return key, str(text)


def api_key_revoke(*, key: ApiKey, actor: str, reason: str = "") -> None:
    """From now on the key is refused. Revoking twice changes nothing."""
    with all_tenants_scope(), transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
            audit(
                actor=actor,
                action="api_key.revoke",
                tenant=key.tenant,
                object_type="api_key",
                object_id=key.prefix,
                reason=reason,
            )
