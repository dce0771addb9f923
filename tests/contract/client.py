"""Asking the API as a member does: with that member's key, on the tenant's host."""

import json
from typing import Any

from django.test import Client

from apps.tenants.models import Membership
from tests.factories import key_of

BASE = "/api/scheduler/"


class MemberClient:
    """Requests of one member; `host` defaults to the tenant's own, and what a view raises is raised here."""

    def __init__(self, membership: Membership, *, host: str = "", raises: bool = True, **key: Any) -> None:
        self.key = key_of(membership, **key)[1]
        self.host = host or f"{membership.tenant.schema_name}.localhost"
        self._client = Client(raise_request_exception=raises)

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(BASE + path, query, **self._sent())

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.generic(
            method,
            BASE + path,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            **self._sent(**headers),
        )

    def ok(self, path: str, **query: Any) -> Any:
        """The payload of a GET that must succeed."""
        response = self.get(path, **query)
        assert response.status_code == 200, (path, query, response.content)
        return response.json()

    def _sent(self, **headers: str) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {self.key}", "Host": self.host, **headers}}
