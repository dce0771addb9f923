"""Headers that tell a browser how little an answer of ours may do. Django's own middlewares add the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_API = "/api/"
# Every feature that asks a person for something, or that we have no use for.
_NOT_USED = (
    *("accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope"),
    *("magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "usb"),
)
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in _NOT_USED)


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """The strict policy of CONTENT_SECURITY_POLICY everywhere but on the operators' host, whose admin needs more."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        operators = getattr(request, "urlconf", None) == settings.PUBLIC_SCHEMA_URLCONF
        if operators and not report_only and parts.config is None:
            parts.config = settings.OPERATORS_CONTENT_SECURITY_POLICY
        return parts


class BrowserHeadersMiddleware:
    """No features, and no copy of what the API answers in anybody's cache."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if request.path_info.startswith(_API):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
