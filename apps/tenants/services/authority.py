"""Nobody gives away, or takes from others, more than they have themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from apps.tenants.models import Membership, Role, Scope
from apps.tenants.services.trail import NotAllowed


class Authority(Protocol):
    """The member who asks, as far as their role and the key they use go (`authentication.Member`)."""

    @property
    def membership(self) -> Membership: ...

    @property
    def role(self) -> Role: ...

    @property
    def scopes(self) -> frozenset[str]:
        """Empty: every scope."""
        ...


def may_give_role(by: Authority | None, role: Role) -> None:
    """Raises `NotAllowed` for a role above one's own."""
    if by is not None and role.rank > by.role.rank:
        raise NotAllowed(f"The role {role} is not for {by.role}s to give.")


def may_give_scopes(by: Authority | None, scopes: Iterable[str]) -> None:
    """Raises `NotAllowed` for scopes that the asking key lacks. No scopes are every scope."""
    wanted = frozenset(scopes) or frozenset(Scope.values)
    if by is not None and by.scopes and not wanted <= by.scopes:
        raise NotAllowed(f"Your key has no other scope than {', '.join(sorted(by.scopes))}.")


def may_manage(by: Authority | None, membership: Membership) -> None:
    """Raises `NotAllowed` for a member above oneself. One's own place and keys are never above."""
    role = Role(membership.role)
    if by is not None and by.membership.pk != membership.pk and role.rank > by.role.rank:
        raise NotAllowed(f"{role.capitalize()}s are beyond the reach of {by.role}s.")
