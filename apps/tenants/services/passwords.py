"""Sessions and passwords of a tenant's people, on the trail of the tenant where they happened."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.tenants.models import AuditEntry, Membership, Tenant, User
from apps.tenants.services.trail import audit

BETWEEN_MAILS = timedelta(minutes=5)
_FORGOTTEN = "password.forgotten"


def session_begun(*, tenant: Tenant, account: User) -> None:
    """`account` has signed in on the tenant's host."""
    _record(tenant, account, "session.begin", {})


def may_reset_password(*, tenant: Tenant, account: User) -> bool:
    """Whether reading the mail of its address is enough for a new password: of members, not of operators, whose account
    opens every tenant. Theirs are set with `manage.py changepassword`.
    """
    return _resettable(tenant, account).exists()


def password_reset_begin(*, tenant: Tenant, account: User) -> bool:
    """Whether a link to a new password may be mailed now: once in BETWEEN_MAILS, to those who may reset theirs."""
    with transaction.atomic():
        member = _resettable(tenant, account).select_for_update(of=("self",)).first()
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


def _resettable(tenant: Tenant, account: User) -> QuerySet[Membership]:
    return Membership.objects.filter(
        tenant=tenant, account=account, account__is_active=True, account__is_staff=False
    )


def _record(tenant: Tenant, account: User, action: str, data: dict[str, str]) -> None:
    audit(
        actor=account.get_username(),
        action=action,
        tenant=tenant,
        object_type="account",
        object_id=account.pk,
        data=data,
    )
