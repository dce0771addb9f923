"""From a request to its scope: whose host is it, whose key, and may its view write?"""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.request import split_domain_port

from apps.dashboard import errors
from apps.tenants import context, selectors
from apps.tenants.authentication import bearer_token
from apps.tenants.log_context import log_about
from scheduler_saas import probes

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponseBase]
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ProbeMiddleware:
    """`/healthz`, `/readyz` and `/metrics` answer on any host, before a tenant is looked for."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        log_about()  # of nobody yet, and no longer of this thread's last request
        probe = probes.PROBES.get(request.path_info.rstrip("/"))
        if probe is None or request.method not in _SAFE:
            return self.get_response(request)
        context.enter_public()
        return probe()


class TenantMiddleware:
    """Enter the scope that the host names, and leave it whatever happens.

    An operators' host has the admin and, within it, the view of all tenants. On an API host the key names the tenant.
    Any other host is a tenant's domain or unknown (404).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        context.enter_public()
        if "\0" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            del request.COOKIES[settings.SESSION_COOKIE_NAME]  # Postgres cannot look such a key up
        try:
            try:
                refused = self._enter(request)
            except (OperationalError, InterfaceError):
                logger.exception("nobody can be told apart without the database")
                refused = _without_database()
            return refused or self.get_response(request)
        finally:
            context.enter_public()

    def _enter(self, request: Any) -> HttpResponse | None:
        host, _ = split_domain_port(request.get_host())
        request.tenant = None
        if host in settings.PUBLIC_HOSTS:
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF
            if request.path_info.startswith("/admin/"):
                context.enter_all_tenants()
            return None
        token = bearer_token(request.headers.get("Authorization", ""))
        request.api_key = selectors.valid_key(token) if token else None
        if host in settings.API_HOSTS:
            if request.api_key is None:
                answer = JsonResponse({"detail": "Send a valid API key as a bearer token."}, status=401)
                answer["WWW-Authenticate"] = 'Bearer realm="scheduler"'
                return answer
            tenant = selectors.tenant_of_key(request.api_key)
        else:
            found = selectors.tenant_of_host(host)
            if found is None:
                return errors.answer(request, "There is nothing at this host name.", 404)
            tenant = found
        if tenant.status != tenant.Status.ACTIVE:
            return errors.answer(request, "This tenant is suspended.", 403)
        request.tenant = tenant
        log_about(tenant.pk)
        context.enter_tenant(tenant)
        return None


def _without_database() -> JsonResponse:
    """503 in words that dashboards know from `health`."""
    checks = {
        "database": "The database does not answer.",
        "scheduler_leadership": "Unknown without the database.",
    }
    answer = {"detail": checks["database"], "status": "unhealthy", "checks": checks}
    return JsonResponse(answer, status=503, headers={"Retry-After": "5"})


class ReadOnlyMiddleware:
    """The view of a GET runs in a READ ONLY transaction: the database keeps it from writing, not a review.

    Stands last, so that sessions and authentication (which may write their own rows) are outside.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if request.method not in _SAFE:
            return None
        # Looked up here: a session that has ended, as by a new password, is deleted as it is found.
        bool(getattr(request, "user", None))
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            response: Any = view(request, *args, **kwargs)
            if hasattr(response, "render"):
                response.render()  # a template's queries belong inside as well
        return response  # type: ignore[no-any-return]
