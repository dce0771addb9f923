"""The dashboard, and whether the scheduler behind it is well."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.urls import get_urlconf
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.dashboard.api.shapes import DashboardShape, HealthShape, PulseShape, StatusShape, UsageShape
from apps.dashboard.overview import dashboard_payload
from apps.dashboard.pulse import pulse_payload
from apps.dashboard.usage import usage_payload
from apps.leadership.selectors import leadership_status
from apps.tenants.api.access import member_of
from apps.tenants.api.views import TenantView

OK = "ok"
_OPERATORS_ONLY = frozenset({"term_id", "replica", "host", "process_id"})


class Dashboard(TenantView):
    @extend_schema(operation_id="dashboard_read", responses={200: DashboardShape})
    def get(self, request: Request) -> Response:
        """The tenant's numbers and up to 50 jobs, the next to run first: the member's, or the tenant's for admins."""
        return Response(dashboard_payload(member_of(request)))


class Pulse(TenantView):
    @extend_schema(operation_id="pulse_read", responses={200: PulseShape})
    def get(self, request: Request) -> Response:
        """Whether anything moved, for pages that ask each second: `token` is another one as soon as an execution of the
        member (of the tenant for admins and owners) starts or ends, a job or its condition changes, or an event is
        written.
        """
        return Response(pulse_payload(member_of(request)))


class Status(TenantView):
    @extend_schema(operation_id="status_read", responses={200: StatusShape})
    def get(self, request: Request) -> Response:
        """What answers here, and whether somebody leads. Which machine that is concerns operators alone."""
        leadership = {key: value for key, value in leadership_status().items() if key not in _OPERATORS_ONLY}
        return Response(
            {
                "service": "scheduler",
                "version": settings.VERSION,
                "scheduler_runtime": {"leadership": leadership},
            }
        )


class Usage(TenantView):
    @extend_schema(operation_id="usage_read", responses={200: UsageShape})
    def get(self, request: Request) -> Response:
        """What the plan allows and what the tenant uses of it, whoever's: it is what refusals with 429 speak of."""
        return Response(usage_payload(member_of(request).tenant))


class Health(TenantView):
    @extend_schema(operation_id="health_read", responses={200: HealthShape, 503: HealthShape})
    def get(self, request: Request) -> Response:
        """503 unless every check is "ok"; the others say what is wrong."""
        checks, age = _checks()
        healthy = all(check == OK for check in checks.values())
        answer: dict[str, Any] = {
            "status": "healthy" if healthy else "unhealthy",
            "checks": checks,
            "leader_heartbeat_age_seconds": age,
        }
        return Response(answer, status=status.HTTP_200_OK if healthy else status.HTTP_503_SERVICE_UNAVAILABLE)


def _checks() -> tuple[dict[str, str], float | None]:
    try:
        with transaction.atomic():  # so that a statement that fails leaves the request's transaction usable
            leadership = leadership_status()
    except DatabaseError as error:
        broken = f"The database does not answer as it should ({type(error).__name__})."
        return {"database": broken, "scheduler_leadership": "Unknown without the database."}, None
    trusted = f"{leadership['trust_window_seconds']:g} seconds"
    nobody = f"Nobody leads: no scheduler has shown a sign of life for {trusted}, so nothing is dispatched."
    return (
        {"database": OK, "scheduler_leadership": OK if leadership["is_leader"] else nobody},
        leadership["heartbeat_age_seconds"],
    )


class _OnceGenerator(SchemaGenerator):
    """Describes a URL conf once in a process: it is the same for everybody, and costs a tenth of a second."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        return _described(get_urlconf() or settings.ROOT_URLCONF)


@cache
def _described(urlconf: str) -> Any:
    generator: Any = SchemaGenerator(urlconf=urlconf)  # type: ignore[no-untyped-call]
    return generator.get_schema(request=None, public=True)


class Schema(SpectacularAPIView):
    """This API, described in OpenAPI 3.1."""

    generator_class = _OnceGenerator
    renderer_classes = [JSONRenderer]  # refusals too: the library's own renderers would send them as a schema
