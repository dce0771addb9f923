"""Notification channels: admins and owners alone."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

_CHANNEL = {"name": "made by the matrix", "kind": "webhook", "address": "https://example.com/hook"}
_OTHERS = {**ADMINS_ONLY, "elsewhere": 404}
_MADE = {"owner": 201, "admin": 201, "elsewhere": 201, **ADMINS_ONLY}
_ONE = "notification-channels/{channel}"

ROUTES: list[Route] = [
    Route("notification-channel-list", "GET", "notification-channels", **ADMINS_ONLY),
    Route("notification-channel-list", "POST", "notification-channels", body=_CHANNEL, **_MADE),
    Route("notification-channel-detail", "GET", _ONE, **_OTHERS),
    Route("notification-channel-detail", "PATCH", _ONE, body={"enabled": False}, **_OTHERS),
    Route("notification-channel-test", "POST", f"{_ONE}/test", **{**_OTHERS, "owner": 202, "admin": 202}),
    Route("notification-channel-detail", "DELETE", _ONE, **_OTHERS),
]
