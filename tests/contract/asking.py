"""One request of the table, and what must be true of its answer whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from tests.contract import schemas
from tests.contract.client import MemberClient
from tests.contract.endpoints import Endpoint


@contextmanager
def undone() -> Iterator[None]:
    """What is done inside is taken back, so that the next request finds everything as this one did."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def filled(body: Any, ids: dict[str, Any]) -> Any:
    """`body` with the ids it names: a text "{job}" becomes the id itself, not its text."""
    if isinstance(body, dict):
        return {key: filled(value, ids) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, ids) for value in body]
    if isinstance(body, str) and body.startswith("{") and body.endswith("}"):
        return ids[body[1:-1]]
    return body


def asked(client: MemberClient, endpoint: Endpoint, ids: dict[str, Any]) -> Any:
    """The response."""
    if endpoint.method == "GET":
        return client.get(endpoint.at(ids), **filled(endpoint.query, ids))
    return client.send(endpoint.method, endpoint.at(ids), filled(endpoint.body, ids))


def checked(client: MemberClient, endpoint: Endpoint, ids: dict[str, Any], *, status: int = 0) -> Any:
    """The payload, which must be of the endpoint's schema, or that of an error where the status is one."""
    response = asked(client, endpoint, ids)
    assert response.status_code == (status or endpoint.status), response.content
    if response.status_code == 204:
        assert response.content == b""
        return None
    assert response["Content-Type"] == "application/json"
    payload = response.json()
    is_refusal = response.status_code >= 400 and endpoint.name != "health"
    schema = schemas.ERROR if is_refusal else endpoint.schema
    assert schemas.violations(schema, payload) == []
    return payload
