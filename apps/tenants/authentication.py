"""Who asks: a member, by API key or by session. The middleware has set `request.tenant` already."""

from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.tenants.models import ApiKey, Membership, Role, Scope, Tenant, User

_INVALID = "This API key is not valid: it is unknown, expired or revoked."


@dataclass(frozen=True, slots=True)
class Member:
    """The authenticated caller of an API view (`request.user`)."""

    membership: Membership
    tenant: Tenant
    role: Role
    actor: str
    scopes: frozenset[str] = frozenset()
    is_authenticated: bool = True

    @property
    def pk(self) -> int:
        return self.membership.pk

    @property
    def user_id(self) -> str:
        return self.membership.user_id

    @property
    def legacy_user_id(self) -> int | None:
        return self.membership.legacy_user_id

    @property
    def sees_tenant(self) -> bool:
        """Admins and owners see the tenant's objects; the others their own."""
        return self.role.rank >= Role.ADMIN.rank

    def may_use(self, method: str | None) -> bool:
        """Whether the key's scopes cover the method; a session and a key without scopes may use all."""
        needed = Scope.READ if method in SAFE_METHODS else Scope.WRITE
        return not self.scopes or needed in self.scopes

    @property
    def can_write(self) -> bool:
        return self.role.rank >= Role.MEMBER.rank


def member_of_account(tenant: Tenant, account: User) -> Member | None:
    """The member that a signed-in account is in this tenant."""
    membership = Membership.objects.filter(tenant=tenant, account=account).first()
    if membership is None:
        return None
    return Member(membership, tenant, Role(membership.role), membership.user_id)


def bearer_token(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`. An invalid key is 401; a valid one of another tenant is 403."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        if bearer_token(request.headers.get("Authorization", "")) is None:
            return None
        key: ApiKey | None = getattr(request._request, "api_key", None)
        if key is None:
            raise AuthenticationFailed(_INVALID)
        tenant: Tenant = request._request.tenant  # type: ignore[attr-defined]
        if key.tenant_id != tenant.pk:
            raise PermissionDenied("This API key belongs to another tenant than this host.")
        people = Membership.objects.select_related("account", "tenant")
        membership = people.filter(pk=key.membership_id, tenant=tenant).first()
        if membership is None:  # removed a moment ago, and the key with them
            raise AuthenticationFailed(_INVALID)
        if not membership.account.is_active:
            raise AuthenticationFailed("The account of this API key is switched off.")
        role = Role(key.role).weaker_of(Role(membership.role))
        actor = f"{membership.user_id} (key {key.prefix})"
        return Member(membership, tenant, role, actor, frozenset(key.scopes)), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="scheduler"'


class MemberSessionAuthentication(SessionAuthentication):
    """The session of a person who signed in on this host. Someone who is no member here gets 403."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        account = getattr(request._request, "user", None)
        if account is None or not account.is_active or not account.is_authenticated:
            return None
        # Of the plain request: the check of DRF's own would read the body, which an Idempotency-Key is yet to compare.
        self.enforce_csrf(request._request)  # type: ignore[arg-type]
        tenant: Tenant = request._request.tenant  # type: ignore[attr-defined]
        member = member_of_account(tenant, account)
        if member is None:
            raise PermissionDenied("You are not a member of this tenant.")
        return member, None
