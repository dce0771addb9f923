"""What admins and owners do for themselves: who may, which object a path names, and how a refusal is answered."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.tenants.api.errors import Conflict, InvalidFields
from apps.tenants.api.views import TenantViewSet
from apps.tenants.models import Membership
from apps.tenants.permissions import IsAdmin
from apps.tenants.services import NotAllowed, NotAsItIs, Refused

T = TypeVar("T", bound=Model)


class SelfService(TenantViewSet):
    permission_classes = [IsAdmin]
    lookup_value_regex = "[0-9]{1,18}"

    def handle_exception(self, exc: Exception) -> Response:
        match exc:
            case NotAllowed():
                exc = PermissionDenied(str(exc))
            case NotAsItIs():
                exc = Conflict(str(exc))
            case Refused():
                exc = InvalidFields({exc.field or "non_field_errors": str(exc)})
            case Membership.DoesNotExist():  # removed between being looked up and being locked
                exc = NotFound("There is no such member any more.")
        return super().handle_exception(exc)


def named(objects: QuerySet[T], object_id: str) -> T:
    """The object that a path names. Raises NotFound (404)."""
    found = objects.filter(pk=object_id).first()
    if found is None:
        raise NotFound("There is nothing with this id.")
    return found


def chosen(request: Request, name: str, values: list[str]) -> str | None:
    """The value of a filter, one of `values`; None where it is left out. Raises InvalidFields (400)."""
    wanted = request.query_params.get(name)
    if wanted and wanted not in values:
        raise InvalidFields({name: f"Use one of {', '.join(values)}."})
    return wanted or None


def user_filter(request: Request) -> str | None:
    """The `user_id` of a filter. Raises InvalidFields (400)."""
    user_id = request.query_params.get("user_id", "")
    if not user_id.isprintable() or len(user_id) > 200:
        raise InvalidFields({"user_id": "Use at most 200 printable characters."})
    return user_id or None
