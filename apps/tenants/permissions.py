"""What a role may do. Object rules (own objects, the tenant's objects) are in the views' selectors."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.tenants.authentication import Member


class IsMember(BasePermission):
    """Any member may read; viewers may do nothing else."""

    message = "Your role may read here, but not change anything."

    def has_permission(self, request: Request, view: Any) -> bool:
        member = request.user
        if not isinstance(member, Member):
            return False
        return request.method in SAFE_METHODS or member.can_write


class CanWrite(IsMember):
    """Member and above, for reads too."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Member) and request.user.can_write


class IsAdmin(BasePermission):
    """Admins and owners."""

    message = "This is for the tenant's admins and owners."

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Member) and request.user.sees_tenant
