"""What the generated description of the API cannot find out by itself: how callers prove who they are, the answers that
every operation has with their headers, examples, and paths as the contract spells them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apps.dashboard.api import examples
from apps.dashboard.api.answer_headers import HEADERS, headers_of

_PREFIX = "/api/scheduler/"
_EVERYWHERE = {
    "401": "No valid API key or session.",
    "403": "Another tenant's key, a role that may not do this, or another user's object.",
    "429": "Too many requests of this caller in the last minute, or the plan allows no more executions for now.",
}
_NAMED = {"404": "The tenant has no such object."}
_WITH_BODY = {
    "400": "The body, a field or a parameter is not valid; `errors` says why, by field.",
    "413": "The body is too large.",
    "415": "The body is not JSON in UTF-8.",
}
_POSTED = {
    "409": "Not now: the object's state, or a request with this Idempotency-Key that is still at work.",
    "422": "The Idempotency-Key was used for another request.",
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "Of your choosing. The same request under the same key is done once and answered alike for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.tenants.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.tenants.authentication.MemberSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def finish(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: common answers, headers, examples, and no trailing slashes (both spellings work)."""
    paths = {}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            for code, description in _common(path, method, operation).items():
                answers.setdefault(code, {"content": _ERROR})
                answers[code]["description"] = answers[code].get("description") or description
            for code, answer in answers.items():
                if headers := headers_of(method, code, answer):
                    answer["headers"] = headers
            operation["responses"] = dict(sorted(answers.items()))
            examples.attach(operation)
            if method == "post":
                operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]
        paths[path.rstrip("/") if path.startswith(_PREFIX) else path] = operations
    return result | {"paths": paths, "components": result["components"] | {"headers": HEADERS}}


def _common(path: str, method: str, operation: dict[str, Any]) -> dict[str, str]:
    """The refusals that every operation of this kind has, with what they mean."""
    return {
        **_EVERYWHERE,
        **(_NAMED if "{" in path else {}),
        **(_WITH_BODY if "requestBody" in operation else {}),
        **(_POSTED if method == "post" else {}),
    }
