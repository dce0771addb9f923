"""Sessions and passwords of a tenant's people, on the trail of the tenant where they happened."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from apps.tenants.models import AuditEntry, Membership, Tenant, User
from apps.tenants.services.trail import audit

BETWEEN_MAILS = timedelta(minutes=5)
_FORGOTTEN = "password.forgotten"


def session_begun(*, tenant: Tenant, account: User) -> None:
    """`account` has signed in on the tenant's host."""
    _record(tenant, account, "session.begin", {})


def password_reset_begin(*, tenant: Tenant, account: User) -> bool:
    """Whether a link to a new password may be mailed now: to members, and once in BETWEEN_MAILS."""
    with transaction.atomic():
        member = (
            Membership.objects.select_for_update(of=("self",)).filter(tenant=tenant, account=account).first()
        )
        if member is None:
            return False
        lately = AuditEntry.objects.filter(tenant=tenant, at__gt=Now() - BETWEEN_MAILS)
        if lately.filter(action=_FORGOTTEN, object_type="account", object_id=str(account.pk)).exists():
            return False
        _record(tenant, account, _FORGOTTEN, {})
    return True


def password_changed(*, tenant: Tenant, account: User, how: str) -> None:
    """`how`: by the "old password", or by a "mailed link"."""
    _record(tenant, account, "password.change", {"how": how})


def _record(tenant: Tenant, account: User, action: str, data: dict[str, str]) -> None:
    audit(
        actor=account.get_username(),
        action=action,
        tenant=tenant,
        object_type="account",
        object_id=account.pk,
        data=data,
    )
