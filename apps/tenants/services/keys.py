"""API keys of members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Least, Now

from apps.tenants import keys, selectors
from apps.tenants.context import tenant_scope
from apps.tenants.models import ApiKey, Membership, Role, Scope
from apps.tenants.services.authority import Authority, may_give_role, may_give_scopes, may_manage
from apps.tenants.services.trail import NotAsItIs, Refused, audit

_LATEST = datetime.max.replace(tzinfo=UTC)  # Postgres knows later times, Python does not


def api_key_create(
    *,
    membership: Membership,
    name: str,
    role: str | None = None,
    scopes: Sequence[str] = (),
    expires_at: datetime | None = None,
    actor: str,
    by: Authority | None = None,
) -> tuple[ApiKey, str]:
    """A key of `membership` and its text, which nobody can learn again.

    `role` may be weaker than the member's, never stronger, and `scopes` are of `Scope`, none for all of them: raises
    `Refused`. Raises `NotAllowed` beyond the authority of `by`, Membership.DoesNotExist.
    """
    if unknown := sorted(set(scopes) - set(Scope.values)):
        raise Refused(f"{unknown[0]!r} is no scope; use {' or '.join(Scope.values)}.", field="scopes")
    with tenant_scope(membership.tenant), transaction.atomic():
        holder = _holder(membership)
        may_manage(by, holder)
        wanted = Role(role or holder.role)
        if wanted.rank > Role(holder.role).rank:
            raise Refused(f"A key of a {holder.role} cannot have the role {wanted}.", field="role")
        key, text = _mint(holder, by, name=name, role=wanted, scopes=scopes, expires_at=expires_at)
        _record(key, "api_key.create", actor, before=None, after=_state(key))
    return key, text


def api_key_rotate(
    *, key: ApiKey, overlap: timedelta, actor: str, by: Authority | None = None
) -> tuple[ApiKey, str]:
    """A key like `key`, valid for as long as that one was made for, and its text. The old one ends after `overlap`.

    Raises `NotAsItIs` when the key is no longer valid or has been replaced, `NotAllowed` beyond the authority of `by`.
    """
    with tenant_scope(key.tenant), transaction.atomic():
        holder = _holder(key.membership)
        may_manage(by, holder)
        old = ApiKey.objects.select_for_update().get(pk=key.pk)
        if old.replaced_by_id is not None:
            raise NotAsItIs("This key has been replaced already; rotate the one that replaced it.")
        if not selectors.valid_keys().filter(pk=old.pk).exists():
            raise NotAsItIs("This key is expired or revoked. Make a new one.")
        lives = old.expires_at - old.created_at if old.expires_at else None
        new, text = _mint(
            holder,
            by,
            name=old.name,
            role=Role(old.role).weaker_of(Role(holder.role)),
            scopes=old.scopes,
            expires_at=Least(Now() + lives, Value(_LATEST)) if lives else None,
        )
        before = _state(old)
        ApiKey.objects.filter(pk=old.pk).update(
            expires_at=Least(F("expires_at"), Now() + overlap), replaced_by=new
        )
        old.refresh_from_db(fields=["expires_at", "replaced_by"])
        _record(old, "api_key.rotate", actor, before=before, after=_state(old), replaced_by=new.prefix)
        _record(new, "api_key.create", actor, before=None, after=_state(new))
    return new, text


def api_key_revoke(*, key: ApiKey, actor: str, reason: str = "", by: Authority | None = None) -> None:
    """From now on the key is refused. Revoking twice changes nothing. Raises `NotAllowed` above `by`."""
    with tenant_scope(key.tenant), transaction.atomic():
        may_manage(by, key.membership)
        before = _state(key)
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
            key.refresh_from_db(fields=["revoked_at"])
            _record(key, "api_key.revoke", actor, reason=reason, before=before, after=_state(key))


def _holder(membership: Membership) -> Membership:
    """The member as they are now, who cannot be removed until the transaction ends."""
    locked = Membership.objects.select_related("tenant").select_for_update(of=("self",), no_key=True)
    holder: Membership = locked.get(pk=membership.pk, tenant=membership.tenant)
    return holder


def _mint(
    holder: Membership, by: Authority | None, *, name: str, role: Role, scopes: Sequence[str], expires_at: Any
) -> tuple[ApiKey, str]:
    may_give_role(by, role)
    may_give_scopes(by, scopes)
    text = keys.generate()
    key = ApiKey.objects.create(
        tenant=holder.tenant,
        membership=holder,
        name=name,
        prefix=text.prefix,
        secret_hash=text.secret_hash,
        role=role,
        scopes=list(scopes),
        expires_at=expires_at,
    )
    key.refresh_from_db(fields=["created_at", "expires_at"])
    return key, str(text)


def _state(key: ApiKey) -> dict[str, Any]:
    """What may be known of a key: never its hash."""
    return {
        "user_id": key.membership.user_id,
        "name": key.name,
        "role": str(key.role),
        "scopes": list(key.scopes),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _record(key: ApiKey, action: str, actor: str, *, reason: str = "", **data: Any) -> None:
    audit(
        actor=actor,
        action=action,
        tenant=key.tenant,
        object_type="api_key",
        object_id=key.prefix,
        reason=reason,
        data=data,
    )
