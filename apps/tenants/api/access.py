"""Whose objects a request may name."""

from __future__ import annotations

from typing import Any, cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apps.tenants.api.errors import InvalidFields
from apps.tenants.authentication import Member
from apps.tenants.identity import both_forms

MAX_USER_ID = 200


def member_of(request: Request) -> Member:
    return cast(Member, request.user)


def own_user_id(member: Member, given: Any) -> Any:
    """The user that a body or a filter names: anybody for those who see the tenant, oneself for the others (403).

    Raises InvalidFields (400) for a string that can be nobody's id.
    """
    if isinstance(given, str) and (len(given) > MAX_USER_ID or not given.isprintable()):
        raise InvalidFields({"user_id": f"Use at most {MAX_USER_ID} printable characters."})
    if member.sees_tenant or given == member.user_id or not isinstance(given, str | None):
        return given
    mine = both_forms(member.tenant.pk, member.user_id)[0]
    if given is None or both_forms(member.tenant.pk, given.strip())[0] != mine:
        raise PermissionDenied("Members act for themselves; this names another user.")
    return member.user_id


def listed_user(request: Request, asked: str | None) -> str | None:
    """Whose rows a list holds; None: everybody's. Another's without the role is PermissionDenied (403)."""
    member = member_of(request)
    user_id: str | None = own_user_id(member, asked or (None if member.sees_tenant else member.user_id))
    return user_id


def path_user(request: Request, user_id: str) -> str:
    """The user of a `{user_id}` path. Without the role anybody else's is PermissionDenied (403), known or not."""
    return cast(str, own_user_id(member_of(request), user_id))
