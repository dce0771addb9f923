"""The kinds of caller of the isolation matrix, each as a function that sends a request."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.tenants import services
from apps.tenants.models import Membership, User
from tests.factories import MembershipFactory, key_of

Send = Callable[..., Any]
BASE = "/api/scheduler/"
API_HOST = "api.localhost"


def sender(host: str, *, key: str | None = None, account: User | None = None) -> Send:
    """A function of method, path and body that asks `host`, by key or by session."""
    client = Client()
    if account is not None:
        client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    headers = {"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {})

    def send(method: str, path: str, body: Any = None, **more: str) -> Any:
        data = "" if body is None else json.dumps(body)
        return client.generic(
            method, BASE + path, data, content_type="application/json", headers=headers | more
        )

    return send


def by_key(membership: Membership, host: str) -> Send:
    return sender(host, key=key_of(membership)[1])


def people(cast: Any) -> dict[str, Membership]:
    """By their columns of the table: Acme's four kinds of member."""
    return {"owner": cast.alice, "admin": cast.ann, "member": cast.bob, "viewer": cast.vic}


def open_callers(cast: Any, other_cast: Any) -> dict[str, tuple[Send, str]]:
    """Those who have business somewhere, with the column of the table that says what they get."""
    callers = {}
    for column, membership in people(cast).items():
        key = key_of(membership)[1]
        callers[f"{column} by key"] = sender(cast.host, key=key), column
        callers[f"{column} on the API host"] = sender(API_HOST, key=key), column
        callers[f"{column} by session"] = sender(cast.host, account=membership.account), column
    key = key_of(other_cast.alice)[1]
    callers["another tenant's key on its host"] = sender(other_cast.host, key=key), "elsewhere"
    callers["another tenant's key on the API host"] = sender(API_HOST, key=key), "elsewhere"
    return callers


def closed_callers(cast: Any, other_cast: Any) -> dict[str, tuple[Send, int]]:
    """Those who get nowhere, whatever they ask, and the status they get."""
    expired = key_of(cast.alice, expires_at=timezone.now() - timedelta(minutes=1))[1]
    key, revoked = key_of(cast.alice)
    services.api_key_revoke(key=key, actor="tests")
    mistyped = revoked[:-1] + "!"
    left = MembershipFactory(tenant=cast.tenant, username=f"left-{cast.tenant.schema_name}", role="owner")
    switched_off = key_of(left)[1]
    User.objects.filter(pk=left.account_id).update(is_active=False)
    bad_keys = {"expired": expired, "revoked": revoked, "mistyped": mistyped, "switched off": switched_off}
    return {
        "another tenant's key on this host": (by_key(other_cast.alice, cast.host), 403),
        "session of a non-member": (sender(cast.host, account=other_cast.alice.account), 403),
        "session and another tenant's key": (
            sender(cast.host, account=cast.alice.account, key=key_of(other_cast.alice)[1]),
            403,
        ),
        "session and a bad key": (sender(cast.host, account=cast.alice.account, key=expired), 401),
        "no key": (sender(cast.host), 401),
        "no key on the API host": (sender(API_HOST), 401),
        "session on the API host": (sender(API_HOST, account=cast.alice.account), 401),
        **{f"{kind} key": (sender(cast.host, key=bad), 401) for kind, bad in bad_keys.items()},
        **{f"{kind} key on the API host": (sender(API_HOST, key=bad), 401) for kind, bad in bad_keys.items()},
        "unknown host": (by_key(cast.alice, "nowhere.localhost"), 404),
        "unknown host without a key": (sender("nowhere.localhost"), 404),
    }


def body_of(response: Any) -> bytes:
    """All that a response says, its headers too, and what it streams."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    headers = "\n".join(f"{name}: {value}" for name, value in response.items())
    return headers.encode() + b"\n\n" + content
