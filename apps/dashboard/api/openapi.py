"""What the generated description of the API cannot find out by itself: how callers prove who they are, the answers that
every operation has, and paths as the contract spells them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

_PREFIX = "/api/scheduler/"
_EVERYWHERE = {
    "401": "No valid API key or session.",
    "403": "Another tenant's key, a role that may not do this, or another user's object.",
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
    """A postprocessing hook: the common answers, and no trailing slashes (both spellings work)."""
    paths = {}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            common = dict(_EVERYWHERE)
            if "{" in path:
                common["404"] = "The tenant has no such object."
            for code, description in common.items():
                answers.setdefault(code, {"content": _ERROR})
                answers[code]["description"] = answers[code].get("description") or description
            operation["responses"] = dict(sorted(answers.items()))
        paths[path.rstrip("/") if path.startswith(_PREFIX) else path] = operations
    return result | {"paths": paths}
