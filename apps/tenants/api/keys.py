"""API keys: list, make, read, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.tenants import services
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.paging import envelope
from apps.tenants.api.people_schema import (
    DEFAULT_LIFETIME,
    KEY_FILTERS,
    KEY_ID,
    KeyBodyShape,
    KeyListShape,
    KeyShape,
    MintedKeyShape,
    RotateBodyShape,
)
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.self_service import SelfService, chosen, named, user_filter
from apps.tenants.authentication import Member
from apps.tenants.identity import user_rows
from apps.tenants.models import ApiKey, KeyStatus, Membership, Role, Scope
from apps.tenants.selectors import keys_of, member_named


class ApiKeyViewSet(SelfService):
    lookup_url_kwarg = "key_id"

    @extend_schema(
        operation_id="api_keys_list",
        parameters=KEY_FILTERS,
        responses={200: KeyListShape, 400: ErrorShape, 403: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The tenant's keys, newest first; never their secrets."""
        tenant = member_of(request).tenant
        keys = keys_of(tenant)
        if wanted := chosen(request, "status", KeyStatus.values):
            keys = keys.filter(status=wanted)
        if user_id := user_filter(request):
            keys = keys.filter(
                membership__in=Membership.objects.filter(user_rows(tenant.pk, user_id), tenant=tenant)
            )
        return Response(envelope(keys, request, "api_keys", _shown, order=("-id",)))

    @extend_schema(
        operation_id="api_keys_create",
        request=KeyBodyShape,
        responses={201: MintedKeyShape, 400: ErrorShape, 403: ErrorShape},
    )
    def create(self, request: Request) -> Response:
        """A key of a member. `key` is in this answer alone."""
        member, asked = member_of(request), checked(KeyBodyShape, request)
        holder = _holder(member, asked.get("user_id"))
        key, text = services.api_key_create(
            membership=holder,
            name=asked["name"],
            role=asked.get("role") or Role(holder.role).weaker_of(member.role),
            scopes=sorted(set(asked.get("scopes") or member.scopes)),
            expires_at=asked.get("expires_at") or timezone.now() + DEFAULT_LIFETIME,
            actor=member.actor,
            by=member,
        )
        return _minted(member, key, text)

    @extend_schema(
        operation_id="api_keys_read",
        parameters=[KEY_ID],
        responses={200: KeyShape, 403: ErrorShape, 404: ErrorShape},
    )
    def retrieve(self, request: Request, key_id: str) -> Response:
        """One key."""
        return Response(_shown([named(keys_of(member_of(request).tenant), key_id)])[0])

    @extend_schema(
        operation_id="api_keys_rotate",
        parameters=[KEY_ID],
        request=RotateBodyShape,
        responses={201: MintedKeyShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape, 409: ErrorShape},
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, key_id: str) -> Response:
        """A new key like this one, valid for as long as this one was made for. This one ends after the overlap."""
        member = member_of(request)
        old = named(keys_of(member.tenant), key_id)
        hours = checked(RotateBodyShape, request)["overlap_hours"]
        key, text = services.api_key_rotate(
            key=old, overlap=timedelta(hours=hours), actor=member.actor, by=member
        )
        return _minted(member, key, text)

    @extend_schema(
        operation_id="api_keys_revoke",
        parameters=[KEY_ID],
        request=None,
        responses={200: KeyShape, 403: ErrorShape, 404: ErrorShape},
    )
    def destroy(self, request: Request, key_id: str) -> Response:
        """Refuse the key from now on. Revoking twice changes nothing."""
        member = member_of(request)
        keys = keys_of(member.tenant)
        services.api_key_revoke(key=named(keys, key_id), actor=member.actor, by=member)
        return Response(_shown([named(keys, key_id)])[0])


def _holder(member: Member, user_id: str | None) -> Membership:
    if user_id is None:
        return member.membership
    holder = member_named(member.tenant, user_id)
    if holder is None:
        raise InvalidFields({"user_id": "There is no such member."})
    return holder


def _minted(member: Member, key: ApiKey, text: str) -> Response:
    payload = _shown([named(keys_of(member.tenant), str(key.pk))])[0]
    return Response({**payload, "key": text}, status=status.HTTP_201_CREATED)


def _shown(keys: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": key.pk,
            "name": key.name,
            "prefix": key.prefix,
            "user_id": key.membership.user_id,
            "role": key.role,
            "scopes": key.scopes or list(Scope.values),
            "status": key.status,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
            "replaced_by": key.replaced_by_id,
        }
        for key in keys
    ]
