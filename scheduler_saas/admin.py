"""The operators' admin site. It is `django.contrib.admin.site` (see `admin_config`), so apps register with Django's."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import site
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from apps.operations.break_glass import open_access
from apps.operations.break_glass_pages import end_page
from apps.operations.gates.page import gates_page
from apps.operations.home import home
from apps.operations.pages import reconcile_page
from apps.operations.retry_page import retry_page
from apps.operations.runbook_pages import runbook_page, runbooks_page
from apps.tenants.models import User
from apps.tenants.sign_in_names import BoundedName

__all__ = ["OperatorsSite", "site"]


class SignInForm(BoundedName, AuthenticationForm):
    """Unfold's, with a bound on the name."""


class OperatorsSite(UnfoldAdminSite):
    """For on-call staff, on the operators' host alone."""

    login_form = SignInForm
    index_title = "Overview"
    index_template = "admin/overview.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("reconcile/", self.admin_view(reconcile_page), name="reconcile"),
            path("runbooks/", self.admin_view(runbooks_page), name="runbooks"),
            path("runbooks/<slug:slug>/", self.admin_view(runbook_page), name="runbook"),
            path("gates/", self.admin_view(gates_page), name="gates"),
            path("retry-failures/", self.admin_view(retry_page), name="retry_failures"),
            path("break-glass/<int:access_id>/end/", self.admin_view(end_page), name="break_glass_end"),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Every page says what its reader has open."""
        context: dict[str, Any] = super().each_context(request)
        user = request.user
        if isinstance(user, User) and user.is_staff and user.is_active:
            context["open_access"] = list(open_access(user))
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Numbers of all tenants, for those who may look at tenants."""
        extra = dict(extra_context or {})
        if request.user.has_perm("tenants.view_tenant"):
            extra |= home()
        response: TemplateResponse = super().index(request, extra)
        return response
