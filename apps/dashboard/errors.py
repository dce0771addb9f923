"""What a tenant's host answers when no view does: a page to a browser that looks at pages, JSON to everybody else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.views import csrf

_EXPIRED = (
    "The form has expired, or cookies are blocked. Load the page again and repeat it; nothing was changed."
)


def answer(request: HttpRequest, sentence: str, status: int, *, title: str = "") -> HttpResponse:
    """`sentence` in the form that the request can read. `title` heads the page."""
    if request.path_info.startswith("/api/") or "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse({"detail": sentence}, status=status)
    context = {
        "tenant": getattr(request, "tenant", None),
        "heading": title or sentence,
        "sentence": title and sentence,
    }
    page = render(request, "dashboard/error.html", context, status=status)
    add_never_cache_headers(page)  # it holds the token of the reader's forms
    return page


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, "There is nothing at this path.", 404, title="Nothing here")


def server_error(request: HttpRequest) -> HttpResponse:
    sentence = "Something went wrong on our side. It has been recorded."
    return answer(request, sentence, 500, title="This did not work")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`. The operators' host keeps Django's page, which explains more."""
    if getattr(request, "urlconf", None) == settings.PUBLIC_SCHEMA_URLCONF:
        page: Any = csrf.csrf_failure(request, reason)
        return page  # type: ignore[no-any-return]
    return answer(request, _EXPIRED, 403, title="Try that again")


def locked_out(request: HttpRequest, credentials: Any = None, *_: Any) -> HttpResponse:
    """`AXES_LOCKOUT_CALLABLE`: too many failed sign-ins with one name from one address."""
    minutes = round(settings.AXES_COOLOFF_TIME.total_seconds() / 60)
    sentence = (
        f"Too many failed sign-ins. Wait {minutes} minutes; until then the right password is refused, too."
    )
    return answer(request, sentence, 429, title="Wait a little")
