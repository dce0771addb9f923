"""A tenant's people. An account is a person's, everywhere; a membership is a tenant's.

Nothing here tells whether an account existed before, or what else it belongs to. A tenant cannot set anything of an
account: whoever could choose its password or its address would hold the key to the other tenants it is a member of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.tenants.context import tenant_scope
from apps.tenants.identity import as_integer
from apps.tenants.models import ApiKey, Membership, Role, Tenant, User, UserIdentity
from apps.tenants.services.authority import Authority, may_give_role, may_manage
from apps.tenants.services.trail import NotAsItIs, Refused, audit


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
    by: Authority | None = None,
) -> Membership:
    """Make `username` a member of `tenant`; the account is made if there is none, without `password` an unusable one.

    `user_id` is canonical and defaults to the username. With `legacy_user_id` the pair is recorded as one identity; an
    identity that is known already is taken up. Raises `Refused` when the role is unknown or the place is taken.
    """
    wanted = _role(role)
    may_give_role(by, wanted)
    username = User.normalize_username(username)
    canonical = user_id or username
    with _people_of(tenant):
        account, is_new = User.objects.get_or_create(username=username, defaults={"email": email})
        if is_new or (password and not account.has_usable_password()):
            account.set_password(password)
            account.save(update_fields=["password"])
        taken = Membership.objects.filter(tenant=tenant)
        if taken.filter(account=account).exists() or taken.filter(user_id=canonical).exists():
            raise Refused(
                f"{username!r} ({canonical!r}) is a member of {tenant.schema_name!r} already.",
                field="username",
            )
        legacy_user_id = _number_of(tenant, canonical, legacy_user_id)
        membership = Membership.objects.create(
            tenant=tenant, account=account, role=wanted, user_id=canonical, legacy_user_id=legacy_user_id
        )
        if legacy_user_id is not None:
            UserIdentity.objects.get_or_create(
                tenant=tenant, legacy_user_id=legacy_user_id, defaults={"user_id": canonical}
            )
        _record(membership, "member.create", actor, before=None, after=_state(membership))
    return membership


def member_role_set(
    *, membership: Membership, role: str, actor: str, by: Authority | None = None
) -> Membership:
    """Another role, from this moment on, for the member's sessions and keys.

    Raises `NotAllowed` above the role of `by`, `NotAsItIs` for the last owner, Membership.DoesNotExist.
    """
    wanted = _role(role)
    may_give_role(by, wanted)
    with _people_of(membership.tenant):
        held = _held(membership)
        may_manage(by, held)
        before = Role(held.role)
        if wanted == before:
            return held
        if before == Role.OWNER:
            _refuse_last_owner(held)
        held.role = wanted
        held.save(update_fields=["role"])
        _record(held, "member.role", actor, before={"role": before.value}, after={"role": wanted.value})
    return held


def member_remove(*, membership: Membership, actor: str, by: Authority | None = None) -> None:
    """End a membership. Its keys and kept answers go with it; jobs and history stay, under the user id.

    Raises `NotAllowed` for a member above `by`, `NotAsItIs` for the last owner, Membership.DoesNotExist.
    """
    with _people_of(membership.tenant):
        held = _held(membership)
        may_manage(by, held)
        if held.role == Role.OWNER:
            _refuse_last_owner(held)
        valid = ApiKey.objects.filter(tenant=held.tenant, membership=held, revoked_at=None).order_by("id")
        revoked = list(valid.values_list("prefix", flat=True))
        _record(held, "member.remove", actor, before=_state(held), after=None, revoked_keys=revoked)
        held.delete()


@contextmanager
def _people_of(tenant: Tenant) -> Iterator[None]:
    """One change of a tenant's people at a time: who is the last owner, or first with a name, must not be a race."""
    with tenant_scope(tenant), transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        yield


def _held(membership: Membership) -> Membership:
    held: Membership = Membership.objects.select_related("tenant", "account").get(
        pk=membership.pk, tenant=membership.tenant
    )
    return held


def _role(role: str) -> Role:
    if role not in Role.values:
        raise Refused(f"{role!r} is no role; use one of {', '.join(Role.values)}.", field="role")
    return Role(role)


def _refuse_last_owner(membership: Membership) -> None:
    owners = Membership.objects.filter(tenant=membership.tenant, role=Role.OWNER)
    if not owners.exclude(pk=membership.pk).exists():
        raise NotAsItIs("This is the tenant's last owner. Make somebody else an owner first.")


def _number_of(tenant: Tenant, canonical: str, legacy_user_id: int | None) -> int | None:
    """The integer that goes with `canonical`: as given, or as it is known. Raises `Refused` if it is another user's.

    A number and its text are one user: whoever is called "7" would see what is user 7's.
    """
    known = UserIdentity.objects.filter(tenant=tenant, user_id=canonical).first()
    if known is not None and legacy_user_id is None:
        legacy_user_id = known.legacy_user_id
    claimed = {number for number in (as_integer(canonical), legacy_user_id) if number is not None}
    same = Q(legacy_user_id__in=claimed) | Q(user_id__in=[str(number) for number in claimed])
    if (
        (known is not None and known.legacy_user_id != legacy_user_id)
        or Membership.objects.filter(same, tenant=tenant).exists()
        or UserIdentity.objects.filter(same, tenant=tenant).exclude(user_id=canonical).exists()
    ):
        sentence = f"{canonical!r} or its number names another user of {tenant.schema_name!r}."
        raise Refused(sentence, field="user_id" if legacy_user_id is None else "legacy_user_id")
    return legacy_user_id


def _state(membership: Membership) -> dict[str, Any]:
    return {
        "user_id": membership.user_id,
        "legacy_user_id": membership.legacy_user_id,
        "username": membership.account.get_username(),
        "role": str(membership.role),
    }


def _record(membership: Membership, action: str, actor: str, **data: Any) -> None:
    audit(
        actor=actor,
        action=action,
        tenant=membership.tenant,
        object_type="membership",
        object_id=membership.pk,
        data=data,
    )
