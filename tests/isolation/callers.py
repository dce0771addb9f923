"""The kinds of caller of the isolation matrix, each as a function that sends a request."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.tenants import services
from apps.tenants.models import Membership, User
from tests.factories import key_of

Send = Callable[..., Any]
BASE = "/api/scheduler/"


def sender(host: str, *, key: str | None = None, account: User | None = None) -> Send:
    """A function of method, path and body that asks `host`, by key or by session."""
    client = Client()
    if account is not None:
        client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    headers = {"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {})

    def send(method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body)
        return client.generic(method, BASE + path, data, content_type="application/json", headers=headers)

    return send


def by_key(membership: Membership, host: str) -> Send:
    return sender(host, key=key_of(membership)[1])


def closed_callers(cast: Any, other_cast: Any) -> dict[str, tuple[Send, int]]:
    """Those who get nowhere on Acme's host, whatever they ask, and the status they get."""
    expired = key_of(cast.alice, expires_at=timezone.now() - timedelta(minutes=1))[1]
    key, revoked = key_of(cast.alice)
    services.api_key_revoke(key=key, actor="tests")
    return {
        "another tenant's key on this host": (by_key(other_cast.alice, cast.host), 403),
        "no key": (sender(cast.host), 401),
        "expired key": (sender(cast.host, key=expired), 401),
        "revoked key": (sender(cast.host, key=revoked), 401),
        "mistyped key": (sender(cast.host, key=revoked[:-1] + "!"), 401),
        "session of a non-member": (sender(cast.host, account=other_cast.alice.account), 403),
        "unknown host": (by_key(cast.alice, "nowhere.localhost"), 404),
    }
