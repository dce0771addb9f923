"""The operators' admin site. It is `django.contrib.admin.site` (see `admin_config`), so apps register with Django's."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import site
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from apps.operations.gates.page import gates_page
from apps.operations.pages import reconcile_page
from apps.operations.runbook_pages import runbook_page, runbooks_page
from apps.operations.selectors import FailingTenant, overview

__all__ = ["OperatorsSite", "site"]
MAX_USERNAME = 150  # as the model has it


class SignInForm(AuthenticationForm):
    """Django only tells the browser how long a name may be; the record of failed sign-ins has 255 characters for it."""

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if len(username) > MAX_USERNAME:
            raise self.get_invalid_login_error()
        return username


class OperatorsSite(UnfoldAdminSite):
    """For on-call staff, on the operators' host alone."""

    login_form = SignInForm
    index_title = "Overview"
    index_template = "admin/overview.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("reconcile/", self.admin_view(reconcile_page), name="reconcile"),
            path("gates/", self.admin_view(gates_page), name="gates"),
            path("runbooks/", self.admin_view(runbooks_page), name="runbooks"),
            path("runbooks/<slug:slug>/", self.admin_view(runbook_page), name="runbook"),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Numbers of all tenants, for those who may look at tenants."""
        extra = dict(extra_context or {})
        if request.user.has_perm("tenants.view_tenant"):
            seen = overview()
            extra |= {
                "overview": seen,
                "outcomes_table": {
                    "headers": ["", "Succeeded", "Failed"],
                    "rows": [[hour, f"{good:,}", f"{bad:,}"] for hour, good, bad in seen.hours],
                },
                "failing_table": {
                    "headers": ["Tenant", "Failed", "of", "Failing jobs", "Quarantined"],
                    "rows": [_row(tenant) for tenant in seen.failing],
                },
            }
        response: TemplateResponse = super().index(request, extra)
        return response


def _row(tenant: FailingTenant) -> list[Any]:
    jobs = f"{reverse('admin:jobs_job_changelist')}?tenant__id__exact={tenant.id}"
    link = format_html(
        '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', jobs, tenant.name
    )
    return [link, f"{tenant.failed:,}", f"{tenant.executed:,}", tenant.failing_jobs, tenant.quarantined_jobs]
