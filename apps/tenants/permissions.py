"""What a role and the scopes of a key may do. Object rules (own objects, the tenant's) are in the views' selectors."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.tenants.authentication import Member


class IsMember(BasePermission):
    """Any member may read; viewers may do nothing else. Nobody may do what the key's scopes leave out."""

    message = "Your role, or the scope of your key, does not allow this here."

    def has_permission(self, request: Request, view: Any) -> bool:
        member = request.user
        if not isinstance(member, Member) or not member.may_use(request.method):
            return False
        return self.role_allows(member, request.method)

    def role_allows(self, member: Member, method: str | None) -> bool:
        return method in SAFE_METHODS or member.can_write


class CanWrite(IsMember):
    """Member and above, for reads too."""

    def role_allows(self, member: Member, method: str | None) -> bool:
        return member.can_write


class IsAdmin(IsMember):
    """Admins and owners."""

    message = "This is for the tenant's admins and owners, and for keys whose scopes allow it."

    def role_allows(self, member: Member, method: str | None) -> bool:
        return member.sees_tenant
