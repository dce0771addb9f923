"""POST reconcile and reconcile/{kind}: what the command and the admin do, for the asking tenant alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.operations import services
from apps.operations.api.schema import ReconcileAllBody, ReconcileBody, ReconcileReportShape
from apps.operations.reconcilers import RECONCILERS
from apps.tenants.api.access import member_of
from apps.tenants.api.body import checked
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.views import TenantViewSet
from apps.tenants.permissions import IsAdmin
from apps.tenants.services import Refused

_KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(RECONCILERS))


# With an Idempotency-Key the request is one transaction, and the cursors that it repairs are locked until its end.
MAX_REPAIRS = 100


class ReconcileViewSet(TenantViewSet):
    """Explicit repair. There is no GET: looking is a dry run."""

    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="reconcile_all",
        request=ReconcileAllBody,
        responses={200: ReconcileReportShape, 400: ErrorShape},
    )
    def create(self, request: Request) -> Response:
        """Find drift of these kinds, or of all, in the tenant and repair it, with a reason; a dry run only shows it.

        One request repairs a hundred at most, and says whether there are more.
        """
        asked = checked(ReconcileAllBody, request)
        chosen = asked.get("kinds", RECONCILERS)
        return self._reconciled(request, [kind for kind in RECONCILERS if kind in chosen], asked)

    @extend_schema(
        operation_id="reconcile",
        parameters=[_KIND],
        request=ReconcileBody,
        responses={200: ReconcileReportShape},
    )
    @action(detail=False, methods=["post"], url_path="(?P<kind>[a-z_]+)", url_name="kind")
    def reconcile(self, request: Request, kind: str) -> Response:
        """Find drift of one kind in the tenant and repair it, with a reason; a dry run only shows it.

        One request repairs a hundred at most, and says whether there are more.
        """
        if kind not in RECONCILERS:
            raise Http404
        return self._reconciled(request, [kind], checked(ReconcileBody, request))

    def _reconciled(self, request: Request, kinds: Sequence[str], asked: Mapping[str, Any]) -> Response:
        member = member_of(request)
        try:
            report = services.reconcile(
                kinds=kinds,
                tenant=member.tenant,
                dry_run=asked["dry_run"],
                reason=asked["reason"],
                actor=member.actor,
                limit=None if asked["dry_run"] else MAX_REPAIRS,
            )
        except Refused as error:
            raise InvalidFields({"reason": str(error)}) from None
        return Response(report.payload)
