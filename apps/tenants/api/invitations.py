"""Invitations: list, invite, revoke. They are taken on a page of the tenant's host (`tenants.pages`)."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.http.request import split_domain_port
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.tenants import services
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.paging import envelope
from apps.tenants.api.people_schema import (
    INVITATION_FILTERS,
    INVITATION_ID,
    InvitationBodyShape,
    InvitationListShape,
    InvitationShape,
    MadeInvitationShape,
)
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.self_service import SelfService, chosen, named
from apps.tenants.models import Domain, Invitation, InvitationStatus, Tenant
from apps.tenants.selectors import invitations_of

logger = logging.getLogger(__name__)
_MAIL = """{inviter} invites you to {tenant} as {role}.

{link}

The invitation is for this address alone, can be taken once, and ends on {until:%Y-%m-%d at %H:%M} UTC.
If you do not know what this is about, leave it: nothing happens.
"""


class InvitationViewSet(SelfService):
    lookup_url_kwarg = "invitation_id"

    @extend_schema(
        operation_id="invitations_list",
        parameters=INVITATION_FILTERS,
        responses={200: InvitationListShape, 400: ErrorShape, 403: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The tenant's invitations, newest first; never their links."""
        found = invitations_of(member_of(request).tenant)
        if wanted := chosen(request, "status", InvitationStatus.values):
            found = found.filter(status=wanted)
        return Response(envelope(found, request, "invitations", _shown, order=("-id",)))

    @extend_schema(
        operation_id="invitations_create",
        request=InvitationBodyShape,
        responses={201: MadeInvitationShape, 400: ErrorShape, 403: ErrorShape},
    )
    def create(self, request: Request) -> Response:
        """Mail a link to an address, with a role no higher than yours. A copy of the link is in this answer alone."""
        member, asked = member_of(request), checked(InvitationBodyShape, request)
        made, token = services.invitation_create(
            tenant=member.tenant, email=asked["email"], role=asked["role"], actor=member.actor, by=member
        )
        to = f"{_host(request, member.tenant)}{{}}"
        mailed = to.format(reverse("join", args=[str(token)]))
        copied = to.format(reverse("join", args=[str(token._replace(mailed=False))]))
        transaction.on_commit(partial(_mail, made, member.user_id, mailed))
        payload = _shown([named(invitations_of(member.tenant), str(made.pk))])[0]
        return Response({**payload, "link": copied}, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="invitations_revoke",
        parameters=[INVITATION_ID],
        request=None,
        responses={200: InvitationShape, 403: ErrorShape, 404: ErrorShape, 409: ErrorShape},
    )
    def destroy(self, request: Request, invitation_id: str) -> Response:
        """Refuse the invitation from now on. Revoking twice changes nothing; one that was taken is 409."""
        member = member_of(request)
        found = invitations_of(member.tenant)
        services.invitation_revoke(invitation=named(found, invitation_id), actor=member.actor)
        return Response(_shown([named(found, invitation_id)])[0])


def _host(request: Request, tenant: Tenant) -> str:
    """Scheme, name and port of the tenant's own host, whichever host was asked."""
    name = Domain.objects.filter(tenant=tenant).order_by("-is_primary", "pk").first()
    _, port = split_domain_port(request.get_host())
    return f"{request.scheme}://{cast(Any, name).domain}{f':{port}' if port else ''}"


def _mail(invitation: Invitation, inviter: str, link: str) -> None:
    """Nobody's request fails for the mail server's sake: the inviter has a copy of the link."""
    name = " ".join(invitation.tenant.name.split())
    text = _MAIL.format(
        inviter=inviter, tenant=name, role=invitation.role, link=link, until=invitation.expires_at
    )
    try:
        send_mail(f"Invitation to {name}", text, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except Exception:  # whatever a mail backend raises
        logger.exception("invitation %s could not be mailed", invitation.pk)


def _shown(invitations: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": invitation.pk,
            "email": invitation.email,
            "role": invitation.role,
            "status": invitation.status,
            "invited_by": invitation.invited_by.user_id,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
            "accepted_at": invitation.accepted_at,
            "revoked_at": invitation.revoked_at,
        }
        for invitation in invitations
    ]
