"""Every error carries `detail`, a sentence; validation adds `errors` by field."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler


class InvalidFields(ValidationError):
    """400 with a sentence a field: `{"field": "sentence"}`."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__(
            {field: text if isinstance(text, list) else [text] for field, text in errors.items()}
        )


class PreconditionFailed(APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The object has changed since you read it. Read it again and repeat the change."
    default_code = "precondition_failed"


class OverQuota(APIException):
    """`wait` in seconds becomes Retry-After, where waiting helps."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_detail = "The plan allows no more for now."
    default_code = "over_quota"

    def __init__(self, detail: str | None = None, *, wait: int | None = None) -> None:
        super().__init__(detail)
        self.wait = wait


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "The object is not in a state that allows this."
    default_code = "conflict"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    response.data = _answerable(response.data)
    if isinstance(exc, ValidationError):
        errors = response.data if isinstance(response.data, dict) else {"non_field_errors": response.data}
        response.data = {"detail": _first_sentence(errors), "errors": errors}
    elif not (isinstance(response.data, dict) and "detail" in response.data):
        response.data = {"detail": str(response.data)}
    return response


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """A request that Django refuses before any view sees it (`handler400` of tenants' hosts)."""
    if isinstance(exception, RequestDataTooBig):
        return JsonResponse(
            {"detail": "The body is too large."}, status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
        )
    return JsonResponse(
        {"detail": "The request is malformed or too large."}, status=status.HTTP_400_BAD_REQUEST
    )


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """A path that no view answers (`handler404` of tenants' hosts)."""
    return JsonResponse({"detail": "There is nothing at this path."}, status=status.HTTP_404_NOT_FOUND)


def server_error(request: HttpRequest) -> JsonResponse:
    """An error that nobody foresaw (`handler500` of tenants' hosts). Says nothing of what it was."""
    sentence = "Something went wrong on our side. It has been recorded."
    return JsonResponse({"detail": sentence}, status=status.HTTP_500_INTERNAL_SERVER_ERROR)


def _answerable(data: Any) -> Any:
    """Complaints may quote what was sent, and half a surrogate pair cannot be sent back."""
    match data:
        case dict():
            return {_answerable(name): _answerable(value) for name, value in data.items()}
        case list():
            return [_answerable(value) for value in data]
        case str():
            return data.encode("utf-8", "replace").decode()
    return data


def _first_sentence(errors: dict[str, Any]) -> str:
    for field, value in errors.items():
        while isinstance(value, (list, dict)) and value:
            value = value[0] if isinstance(value, list) else next(iter(value.values()))
        return str(value) if field == "non_field_errors" else f"{field}: {value}"
    return "The request is not valid."
