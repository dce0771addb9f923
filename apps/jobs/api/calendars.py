"""Calendars: list, create, read, change, delete. Every member may read them; admins and owners write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs.api.access import JobAccess, expected_version, id_of
from apps.jobs.api.body import json_object, only
from apps.jobs.api.calendars_schema import CALENDAR_ID, CalendarBodyShape, CalendarListShape, CalendarShape
from apps.jobs.calendars import services
from apps.jobs.calendars.payloads import calendar_payloads
from apps.jobs.calendars.selectors import calendar_of, calendars_of
from apps.jobs.models import Calendar
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import Conflict
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import IF_MATCH, PAGING, ErrorShape
from apps.tenants.authentication import Member

_DEFAULTS: Mapping[str, Any] = {"timezone": "UTC", "blackouts": []}


class CalendarViewSet(JobAccess):
    lookup_url_kwarg = "calendar_id"
    lookup_value_regex = "[^/]+"

    def handle_exception(self, exc: Exception) -> Response:
        match exc:
            case services.CalendarNotFound():
                exc = NotFound("There is no such calendar.")
            case services.CalendarInUse():
                exc = Conflict(str(exc))
        return super().handle_exception(exc)

    @extend_schema(
        operation_id="calendars_list",
        parameters=PAGING,
        responses={200: CalendarListShape, 400: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The tenant's calendars."""
        tenant = member_of(request).tenant
        rows = calendars_of(tenant)
        return Response(
            envelope(rows, request, "calendars", lambda page: calendar_payloads(tenant, page), order=("-id",))
        )

    @extend_schema(
        operation_id="calendars_create",
        request=CalendarBodyShape,
        responses={201: CalendarShape, 400: ErrorShape, 403: ErrorShape},
    )
    def create(self, request: Request) -> Response:
        """A new calendar, for jobs to name."""
        member, body = _writer(request), _body(request)
        calendar = services.calendar_create(
            tenant=member.tenant, actor=member.actor, **({"name": None, **_DEFAULTS} | body)
        )
        return _response(member, calendar, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="calendars_read",
        parameters=[CALENDAR_ID],
        responses={200: CalendarShape, 404: ErrorShape},
    )
    def retrieve(self, request: Request, calendar_id: str) -> Response:
        """One calendar; its version is the ETag."""
        member = member_of(request)
        calendar = calendar_of(member.tenant, id_of(calendar_id))
        if calendar is None:
            raise services.CalendarNotFound
        return _response(member, calendar)

    @extend_schema(
        operation_id="calendars_change",
        parameters=[CALENDAR_ID, IF_MATCH],
        request=CalendarBodyShape,
        responses={200: CalendarShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape, 412: ErrorShape},
    )
    def partial_update(self, request: Request, calendar_id: str) -> Response:
        """Change the fields that the body names. It counts for every time that is not dispatched yet."""
        return self._update(request, calendar_id, _body(request))

    @extend_schema(
        operation_id="calendars_replace",
        parameters=[CALENDAR_ID, IF_MATCH],
        request=CalendarBodyShape,
        responses={200: CalendarShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape, 412: ErrorShape},
    )
    def update(self, request: Request, calendar_id: str) -> Response:
        """Replace the calendar; what the body leaves out gets its default."""
        return self._update(request, calendar_id, {"name": None, **_DEFAULTS} | _body(request))

    @extend_schema(
        operation_id="calendars_delete",
        parameters=[CALENDAR_ID, IF_MATCH],
        request=None,
        responses={
            200: CalendarShape,
            400: ErrorShape,
            403: ErrorShape,
            404: ErrorShape,
            409: ErrorShape,
            412: ErrorShape,
        },
    )
    def destroy(self, request: Request, calendar_id: str) -> Response:
        """Forget a calendar that no job uses; the answer is what it was."""
        member = _writer(request)
        calendar = services.calendar_delete(
            tenant=member.tenant,
            calendar_id=id_of(calendar_id),
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return _response(member, calendar)

    def _update(self, request: Request, calendar_id: str, changes: Mapping[str, Any]) -> Response:
        member = _writer(request)
        calendar = services.calendar_update(
            tenant=member.tenant,
            calendar_id=id_of(calendar_id),
            changes=changes,
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return _response(member, calendar)


def _writer(request: Request) -> Member:
    member = member_of(request)
    if not member.sees_tenant:
        raise PermissionDenied("Calendars are changed by admins and owners.")
    return member


def _body(request: Request) -> dict[str, Any]:
    return dict(only(json_object(request), services.FIELDS))


def _response(member: Member, calendar: Calendar, *, status: int = 200) -> Response:
    [payload] = calendar_payloads(member.tenant, [calendar])
    return Response(payload, status=status, headers={"ETag": f'"{calendar.version}"'})
