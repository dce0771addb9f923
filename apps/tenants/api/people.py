"""Members: list, invite, read, change the role, remove."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.tenants import services
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.paging import envelope
from apps.tenants.api.people_schema import (
    MEMBER_FILTERS,
    MEMBER_ID,
    MemberBodyShape,
    MemberListShape,
    MemberShape,
    RoleBodyShape,
)
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.self_service import SelfService, chosen, named, user_filter
from apps.tenants.identity import user_rows
from apps.tenants.models import Membership, Role
from apps.tenants.selectors import members_of


class MemberViewSet(SelfService):
    lookup_url_kwarg = "member_id"

    @extend_schema(
        operation_id="members_list",
        parameters=MEMBER_FILTERS,
        responses={200: MemberListShape, 400: ErrorShape, 403: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The tenant's members."""
        tenant = member_of(request).tenant
        members = members_of(tenant)
        if role := chosen(request, "role", Role.values):
            members = members.filter(role=role)
        if user_id := user_filter(request):
            members = members.filter(user_rows(tenant.pk, user_id))
        return Response(envelope(members, request, "members", _shown, order=("id",)))

    @extend_schema(
        operation_id="members_create",
        request=MemberBodyShape,
        responses={201: MemberShape, 400: ErrorShape, 403: ErrorShape},
    )
    def create(self, request: Request) -> Response:
        """Make a person a member, with a role no higher than yours. Their account is made if they have none."""
        member, asked = member_of(request), checked(MemberBodyShape, request)
        made = services.member_create(tenant=member.tenant, actor=member.actor, by=member, **_account(asked))
        return Response(_shown([made])[0], status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="members_read",
        parameters=[MEMBER_ID],
        responses={200: MemberShape, 403: ErrorShape, 404: ErrorShape},
    )
    def retrieve(self, request: Request, member_id: str) -> Response:
        """One member."""
        return Response(_shown([named(members_of(member_of(request).tenant), member_id)])[0])

    @extend_schema(
        operation_id="members_change",
        parameters=[MEMBER_ID],
        request=RoleBodyShape,
        responses={200: MemberShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape, 409: ErrorShape},
    )
    def partial_update(self, request: Request, member_id: str) -> Response:
        """Change the role, of a member no higher than you to one no higher than yours; at once, for keys too."""
        member = member_of(request)
        person = named(members_of(member.tenant), member_id)
        role = checked(RoleBodyShape, request)["role"]
        changed = services.member_role_set(membership=person, role=role, actor=member.actor, by=member)
        return Response(_shown([changed])[0])

    @extend_schema(
        operation_id="members_delete",
        parameters=[MEMBER_ID],
        request=None,
        responses={200: MemberShape, 403: ErrorShape, 404: ErrorShape, 409: ErrorShape},
    )
    def destroy(self, request: Request, member_id: str) -> Response:
        """Remove a member with all their keys; the answer is who it was. Their jobs and history stay."""
        member = member_of(request)
        person = named(members_of(member.tenant), member_id)
        services.member_remove(membership=person, actor=member.actor, by=member)
        return Response(_shown([person])[0])


def _account(asked: dict[str, Any]) -> dict[str, Any]:
    """An address is one account however it is capitalised, and its own mailbox: nobody else's can be named."""
    username = asked["username"]
    return {**asked, "username": username.lower(), "email": username.lower()} if "@" in username else asked


def _shown(members: list[Membership]) -> list[dict[str, Any]]:
    return [
        {
            "id": member.pk,
            "user_id": member.user_id,
            "legacy_user_id": member.legacy_user_id,
            "username": member.account.get_username(),
            "role": member.role,
            "created_at": member.created_at,
        }
        for member in members
    ]
