"""What a request's body says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.schema import Shape


def json_object(request: Request) -> Mapping[str, Any]:
    """The body, which has to be a JSON object. Raises InvalidFields."""
    body = request.data
    if not isinstance(body, Mapping):
        raise InvalidFields({"non_field_errors": "The body has to be a JSON object."})
    return body


def only(body: Mapping[str, Any], allowed: frozenset[str]) -> Mapping[str, Any]:
    """The body, if it has no other keys. Raises InvalidFields that names them."""
    if unknown := sorted(str(key) for key in body if key not in allowed):
        raise InvalidFields({shown(key): "There is no such field, or it cannot be set." for key in unknown})
    return body


def checked(shape: type[Shape], request: Request) -> dict[str, Any]:
    """The body, checked by `shape`. Raises ValidationError (400) with a sentence a field, also for unknown fields."""
    body = shape(data=only(json_object(request), frozenset(shape().fields)))
    body.is_valid(raise_exception=True)
    asked: dict[str, Any] = body.validated_data
    return asked


def shown(key: str) -> str:
    """A key of the body as an answer can hold it."""
    key = key.encode("utf-8", "replace").decode()  # half a surrogate pair could not be answered
    return key if len(key) <= 100 else key[:99] + "…"
