"""How many requests a minute: of each key, of each account, and of each address that shows neither.

Counters live in the cache (`CACHE_URL`: this process's memory, or Redis for several), never in the database, so that a
GET counts and still cannot write. A cache that fails stops nobody.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from apps.dashboard import errors
from apps.tenants.authentication import bearer_token
from apps.tenants.client_address import client_address

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponseBase]
_API = "/api/"
_REDIS = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}  # seconds
_REST = 5.0  # seconds in which a cache that failed is not asked again
_TOO_MANY = "Too many requests: {limit} a minute are allowed {whom}. Wait {seconds} seconds."


class Counters:
    """Requests counted over the last minute (a sliding window of two weighted ones)."""

    def __init__(self, url: str) -> None:
        storage = storage_from_string(url, wrap_exceptions=True, **(_REDIS if "redis" in url else {}))
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._rests_until = 0.0

    def count(self, limit: int, *who: str) -> "Standing | None":
        """Count one request. None when the cache does not answer."""
        if time.monotonic() < self._rests_until:
            return None
        item = RateLimitItemPerMinute(limit)
        try:
            allowed = self._limiter.hit(item, *who)
            window = self._limiter.get_window_stats(item, *who)
        except StorageError as error:
            logger.warning("requests are not counted: %s", error)
            self._rests_until = time.monotonic() + _REST
            return None
        return Standing(
            allowed, limit, max(0, window.remaining), max(1, math.ceil(window.reset_time - time.time()))
        )


class Standing:
    """Where a caller stands with its limit; `reset` in seconds from now."""

    def __init__(self, allowed: bool, limit: int, remaining: int, reset: int) -> None:
        self.allowed, self.limit, self.remaining, self.reset = allowed, limit, remaining, reset

    def refusal(self, whom: str) -> JsonResponse:
        sentence = _TOO_MANY.format(limit=self.limit, whom=whom, seconds=self.reset)
        return JsonResponse({"detail": sentence}, status=429, headers={"Retry-After": str(self.reset)})

    def shown_on(self, response: HttpResponseBase) -> HttpResponseBase:
        """The headers of draft-ietf-httpapi-ratelimit-headers-07."""
        response["RateLimit-Limit"] = str(self.limit)
        response["RateLimit-Remaining"] = str(self.remaining)
        response["RateLimit-Reset"] = str(self.reset)
        return response


class RefusedCallersMiddleware:
    """Whoever cannot say who they are is counted by address, and answered 429 instead of 401 when it gets too much.

    Stands outside everything that may answer 401. A caller with a valid key is never held up by its neighbours.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.counters = Counters(settings.CACHE_URL)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code != 401 or not settings.ANONYMOUS_REQUESTS_PER_MINUTE:
            return response
        address = client_address(request)
        standing = self.counters.count(settings.ANONYMOUS_REQUESTS_PER_MINUTE, "address", address)
        if standing is None:
            return response
        return standing.shown_on(response if standing.allowed else standing.refusal("without a valid key"))


class RateLimitMiddleware:
    """Members' requests to the API, by the plan of the tenant; and what strangers send to pages (a password to try, an
    address to mail to), by their address. Stands after authentication.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.counters = Counters(settings.CACHE_URL)

    def __call__(self, request: Any) -> HttpResponseBase:
        if _is_form_of_stranger(request):
            return self._form_of_stranger(request)
        who = self._caller(request)
        limit = request.tenant.plan.requests_per_minute if who else 0
        standing = self.counters.count(limit, *who) if limit else None
        if standing is None:
            return self.get_response(request)
        refused = (
            None
            if standing.allowed
            else standing.refusal("with this key" if who[0] == "key" else "each member")
        )
        return standing.shown_on(refused or self.get_response(request))

    def _form_of_stranger(self, request: HttpRequest) -> HttpResponseBase:
        limit = settings.ANONYMOUS_REQUESTS_PER_MINUTE
        standing = self.counters.count(limit, "form", client_address(request)) if limit else None
        if standing is None or standing.allowed:
            return self.get_response(request)
        sentence = f"Wait {standing.reset} seconds: too many forms were sent from your address."
        refused = errors.answer(request, sentence, 429, title="Wait a little")
        refused["Retry-After"] = str(standing.reset)
        return refused

    def _caller(self, request: Any) -> tuple[str, ...]:
        if getattr(request, "tenant", None) is None or not request.path_info.startswith(_API):
            return ()
        if request.api_key is not None:
            return "key", request.api_key.prefix
        refused_key = bearer_token(request.headers.get("Authorization", "")) is not None
        if refused_key or not request.user.is_authenticated:
            return ()
        return "account", str(request.tenant.pk), str(request.user.pk)


def _is_form_of_stranger(request: Any) -> bool:
    is_form = request.method == "POST" and not request.path_info.startswith(_API)
    return is_form and not request.user.is_authenticated
