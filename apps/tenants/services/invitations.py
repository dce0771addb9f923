"""Invitations: a place in a tenant for whoever reads the mail of an address, until it is taken, revoked or too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from apps.tenants import invitation_tokens
from apps.tenants.context import tenant_scope
from apps.tenants.models import Invitation, Membership, Role, Tenant, User
from apps.tenants.selectors import invitations_of
from apps.tenants.services.authority import Authority, may_give_role
from apps.tenants.services.members import member_create
from apps.tenants.services.trail import NotAsItIs, Refused, audit

LIFETIME = timedelta(days=7)
_GONE = "This invitation is not valid: it was taken, revoked, or has expired. Ask for another one."


def invitation_create(
    *, tenant: Tenant, email: str, role: str, actor: str, by: Authority, lifetime: timedelta = LIFETIME
) -> tuple[Invitation, invitation_tokens.Token]:
    """An invitation and its token, to be mailed. One to the same address that is open takes its end.

    Raises `NotAllowed` for a role above that of `by`, `Refused` for an address that is a member's already.
    """
    if role not in Role.values:
        raise Refused(f"{role!r} is no role; use one of {', '.join(Role.values)}.", field="role")
    may_give_role(by, Role(role))
    address, token = User.normalize_username(email).lower(), invitation_tokens.generate()
    with tenant_scope(tenant), transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if Membership.objects.filter(tenant=tenant, account__username=address).exists():
            raise Refused(f"{address} is a member already.", field="email")
        for earlier in Invitation.objects.filter(
            tenant=tenant, email=address, accepted_at=None, revoked_at=None
        ):
            _revoke(earlier, actor)
        made = Invitation.objects.create(
            tenant=tenant,
            invited_by=by.membership,
            email=address,
            role=role,
            token_hash=token.secret_hash,
            expires_at=Now() + lifetime,
        )
        made.refresh_from_db(fields=["created_at", "expires_at"])
        _record(made, "invitation.create", actor, before=None, after=_state(made))
    return made, token


def invitation_revoke(*, invitation: Invitation, actor: str) -> None:
    """From now on it is refused. Revoking twice changes nothing. Raises `NotAsItIs` when it was taken."""
    with tenant_scope(invitation.tenant), transaction.atomic():
        held = Invitation.objects.select_for_update(of=("self",)).get(
            pk=invitation.pk, tenant=invitation.tenant
        )
        if held.accepted_at is not None:
            raise NotAsItIs("This invitation was taken. Remove the member instead.")
        if held.revoked_at is None:
            _revoke(held, actor)


def invitation_open(*, tenant: Tenant, text: str) -> tuple[Invitation, bool]:
    """The invitation that this token opens, and whether the token came by mail. Raises `NotAsItIs`."""
    token = invitation_tokens.parse(text)
    found = None
    if token is not None:
        found = invitations_of(tenant).filter(token_hash=token.secret_hash, status="open").first()
    if token is None or found is None:
        raise NotAsItIs(_GONE)
    return found, token.mailed


def invitation_accept(*, tenant: Tenant, text: str, password: str = "") -> Membership:
    """Take the place: the account of the address is made or found, and becomes a member. Once.

    Who has the mailed token and no password yet has to choose one; a password that there is stays. Raises `Refused`.
    """
    with tenant_scope(tenant), transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)  # as all changes of its people
        invitation, mailed = invitation_open(tenant=tenant, text=text)
        held = Invitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
        if held.accepted_at is not None or held.revoked_at is not None:
            raise NotAsItIs(_GONE)  # a moment ago
        if Role(held.role).rank > Role(held.invited_by.role).rank:
            raise NotAsItIs(_GONE)  # who gave it has no longer such a role to give
        chosen = _chosen(held.email, password, mailed=mailed)
        membership = member_create(
            tenant=tenant,
            username=held.email,
            email=held.email,
            role=held.role,
            password=chosen,
            actor=f"{held.email} (invitation)",
        )
        Invitation.objects.filter(pk=held.pk).update(accepted_at=Now())
        _record(
            held,
            "invitation.accept",
            f"{held.email} (invitation)",
            before={"status": "open"},
            after={"status": "accepted"},
        )
    return membership


def _chosen(address: str, password: str, *, mailed: bool) -> str | None:
    """The password to set where the account has none. Raises `Refused`."""
    if not mailed:
        if password:
            sentence = "This link does not show that the address is yours; use the one that was mailed there."
            raise Refused(sentence, field="password")
        return None
    account = User.objects.filter(username=address).first()
    if account is not None and account.has_usable_password():
        return None
    if not password:
        raise Refused("Choose a password: this address has none here yet.", field="password")
    try:
        validate_password(password, account or User(username=address, email=address))
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from None
    return password


def _revoke(invitation: Invitation, actor: str) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=Now())
    _record(invitation, "invitation.revoke", actor, before={"status": "open"}, after={"status": "revoked"})


def _state(invitation: Invitation) -> dict[str, Any]:
    """What may be known of an invitation: never its hash."""
    return {
        "email": invitation.email,
        "role": str(invitation.role),
        "expires_at": invitation.expires_at.isoformat(),
    }


def _record(invitation: Invitation, action: str, actor: str, **data: Any) -> None:
    audit(
        actor=actor,
        action=action,
        tenant=invitation.tenant,
        object_type="invitation",
        object_id=invitation.pk,
        data=data,
    )
