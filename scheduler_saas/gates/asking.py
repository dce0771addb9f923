"""Asking the API as a tenant's owner does, within this process and without a key: through every middleware, for nothing
of a session or a key is to be written.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.core.handlers.base import BaseHandler
from django.http import HttpResponseBase
from django.test import RequestFactory
from django.urls import get_urlconf, set_urlconf
from rest_framework.test import force_authenticate

from apps.tenants.authentication import Member
from apps.tenants.context import tenant_scope
from apps.tenants.models import Domain, Membership, Role, Tenant

BASE = "/api/scheduler/"
ACTOR = "gate"


@dataclass(frozen=True, slots=True)
class Asker:
    """An owner's view of a tenant; the user ids in paths are those of one of its members."""

    tenant: Tenant
    host: str
    member: Member

    def get(self, path: str, **query: str) -> tuple[int, bytes]:
        """Status and body; `path` is below BASE, unless it begins with a slash.

        Scope and URL conf are afterwards as before: this may be within a request of the admin.
        """
        urlconf = get_urlconf()
        request: Any = RequestFactory().get(
            path if path.startswith("/") else BASE + path, query, secure=True, headers={"host": self.host}
        )
        request.of_gate = True
        force_authenticate(request, user=cast(Any, self.member))
        with tenant_scope(self.tenant):  # the request leaves every scope; this one knows the way back
            try:
                response = _handler().get_response(request)
                return response.status_code, _body(response)
            finally:
                set_urlconf(urlconf)


def asker_of(tenant: Tenant) -> Asker | None:
    """None for a tenant without a host or a member. Call it in a scope that sees the tenant."""
    domain = Domain.objects.filter(tenant=tenant).order_by("-is_primary", "pk").first()
    people = Membership.objects.select_related("account", "tenant").filter(tenant=tenant)
    membership = people.order_by("pk").first()
    if domain is None or membership is None:
        return None
    return Asker(tenant, str(domain.domain), Member(membership, tenant, Role.OWNER, ACTOR))


@cache
def _handler() -> BaseHandler:
    handler = BaseHandler()
    handler.load_middleware()
    logging.getLogger("django.request").addFilter(_is_news)
    return handler


def _is_news(record: logging.LogRecord) -> bool:
    """A gate may ask for what a tenant has not got; the log need not warn of that."""
    return record.levelno >= logging.ERROR or not hasattr(getattr(record, "request", None), "of_gate")


def _body(response: HttpResponseBase) -> bytes:
    """A stream reads as it is read. The response is not closed: that would end the connection, too."""
    content: Any = response
    return b"".join(content.streaming_content) if response.streaming else bytes(content.content)
