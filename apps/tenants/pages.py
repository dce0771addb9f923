"""The page on which an invitation is taken: on the tenant's host, for people who are nobody there yet."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from apps.tenants import services


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class JoinView(View):
    """GET shows what the invitation is to, and does nothing: mail programs follow links. POST takes it."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._page(request, token)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        tenant: Any = request.tenant  # type: ignore[attr-defined]
        try:
            membership = services.invitation_accept(
                tenant=tenant, text=token, password=request.POST.get("password", "")
            )
        except services.NotAsItIs as error:
            return self._said(request, str(error), 404)
        except services.Refused as error:
            return self._page(request, token, error=str(error), status=400)
        sentence = f"You are a member of {tenant.name} now, as {membership.role}: {membership.user_id}."
        return self._said(request, sentence, 200)

    def _page(self, request: HttpRequest, token: str, *, error: str = "", status: int = 200) -> HttpResponse:
        tenant: Any = request.tenant  # type: ignore[attr-defined]
        try:
            invitation, mailed = services.invitation_open(tenant=tenant, text=token)
        except services.NotAsItIs as gone:
            return self._said(request, str(gone), 404)
        context = {"invitation": invitation, "mailed": mailed, "error": error, "tenant": tenant}
        return render(request, "tenants/join.html", context, status=status)

    def _said(self, request: HttpRequest, sentence: str, status: int) -> HttpResponse:
        context = {"said": sentence, "tenant": request.tenant}  # type: ignore[attr-defined]
        return render(request, "tenants/join.html", context, status=status)
