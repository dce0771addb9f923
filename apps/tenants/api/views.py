"""What every view of tenants' API is built on."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from apps.tenants import idempotency
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import Conflict, InvalidFields
from apps.tenants.crypto import CannotOpen

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("ETag", "Location")
_UNREADABLE = f"A request with this {HEADER} was done, but its answer can no longer be read."


class KeyTaken(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = f"This {HEADER} was used for another request; choose a new one."
    default_code = "idempotency_key_taken"


class KeyInUse(Conflict):
    default_detail = f"A request with this {HEADER} is still at work. Repeat yours in a moment."

    def __init__(self) -> None:
        super().__init__()
        self.wait = 1  # becomes Retry-After


class _Replay(Exception):
    """Ends a request whose answer is known. Not an error."""

    def __init__(self, answer: idempotency.Answer) -> None:
        self.answer = answer


class TenantView(APIView):
    """A POST with an `Idempotency-Key` is done once; repeated, it gets the answer of the first.

    Only answers to deeds done (2xx) are kept: after a refusal nothing has happened, and the key is free again. Who asks
    and whether their role allows it is checked each time, before the key is looked at.
    """

    _claimed: str | None = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST" or HEADER not in request.headers:
            return super().dispatch(request, *args, **kwargs)
        with transaction.atomic():
            response: Any = super().dispatch(request, *args, **kwargs)
            if response.status_code >= status.HTTP_300_MULTIPLE_CHOICES:
                transaction.set_rollback(True)
            elif self._claimed is not None:
                member = member_of(self.request)
                answer = idempotency.Answer(
                    response.status_code,
                    json.loads(JSONRenderer().render(response.data)),
                    {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
                )
                idempotency.keep(member.tenant, member.membership, self._claimed, answer)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get(HEADER)
        if request.method != "POST" or key is None:
            return
        if not 0 < len(key) <= idempotency.MAX_KEY or not (key.isascii() and key.isprintable()):
            raise InvalidFields({HEADER: f"Use 1 to {idempotency.MAX_KEY} printable ASCII characters."})
        member = member_of(request)
        http = request._request
        path = http.get_full_path().replace("/?", "?").rstrip("/")
        authority = f"{member.role} {' '.join(sorted(member.scopes))}"
        asked = idempotency.fingerprint("POST", path, http.body, authority=authority)
        try:
            known = idempotency.claim(member.tenant, member.membership, key, asked)
        except idempotency.KeyTaken:
            raise KeyTaken from None
        except idempotency.KeyInUse:
            raise KeyInUse from None
        except CannotOpen:
            raise Conflict(_UNREADABLE) from None  # sealed under a key that is gone; the deed was done
        if known is not None:
            raise _Replay(known)
        self._claimed = key

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, _Replay):
            headers = {**exc.answer.headers, REPLAYED: "true"}
            return Response(exc.answer.data, status=exc.answer.status, headers=headers)
        return super().handle_exception(exc)


class TenantViewSet(ViewSetMixin, TenantView):
    """As DRF's ViewSet, on `TenantView`."""
