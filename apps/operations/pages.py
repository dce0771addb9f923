"""The operators' page of repair.

Opening it is the dry run: a GET, in a transaction in which the database lets nothing be written. What it shows is
repaired by the button below, with a reason.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.operations import services
from apps.operations.diffs import groups_of
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reconcilers.base import Drift
from apps.operations.reports import SHOWN_ITEMS, ReconcileReport
from apps.tenants.models import Tenant
from apps.tenants.operators import actor_of

PERMISSION = "jobs.change_cursor"
EVERYTHING = "all"
_PAGES = {
    "job": "admin:jobs_job_change",
    "execution": "admin:executions_execution_change",
    "tenant": "admin:tenants_tenant_change",
}


class ScopeForm(forms.Form):
    """Where to look: a tenant by its short name or all, and there the named jobs or users, or all."""

    kind = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    tenant = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Its short name; empty for all tenants.",
    )
    jobs = forms.CharField(
        required=False,
        max_length=10_000,
        label="Objects",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Ids of one kind (of users, the old ones), separated by commas; empty for all.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds: Any = self.fields["kind"]
        kinds.choices = [
            *((kind, reconciler.title) for kind, reconciler in RECONCILERS.items()),
            (EVERYTHING, "Everything"),
        ]

    def clean_tenant(self) -> Tenant | None:
        name = self.cleaned_data["tenant"].strip()
        if not name:
            return None
        tenant: Tenant | None = Tenant.objects.filter(schema_name=name).first()
        if tenant is None:
            raise forms.ValidationError(f"There is no tenant {name!r}.")
        return tenant

    def clean_jobs(self) -> list[int] | None:
        parts = [part.strip() for part in self.cleaned_data["jobs"].split(",") if part.strip()]
        if any(not part.isdecimal() or len(part) > 18 for part in parts):
            raise forms.ValidationError("Use numbers, separated by commas.")
        if parts and self.cleaned_data.get("kind") == EVERYTHING:
            raise forms.ValidationError("Ids are of one kind: choose it.")
        return [int(part) for part in parts] or None

    @property
    def kinds(self) -> list[str]:
        kind = self.cleaned_data["kind"]
        return list(RECONCILERS) if kind == EVERYTHING else [kind]


class ConfirmForm(forms.Form):
    reason = forms.CharField(
        max_length=services.MAX_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit trail with your name.",
    )


def reconcile_page(request: HttpRequest) -> HttpResponse:
    """GET looks, POST repairs. Both take `kind`, `tenant` and `jobs`; POST a `reason` too."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    if request.method not in ("GET", "HEAD", "POST"):
        raise Http404
    asked: Any = request.POST if request.method == "POST" else request.GET
    scope = ScopeForm({"kind": next(iter(RECONCILERS)), **asked.dict()})
    confirm = ConfirmForm(request.POST if request.method == "POST" else None)
    report = None
    if scope.is_valid():
        report = services.reconcile(
            kinds=scope.kinds,
            tenant=scope.cleaned_data["tenant"],
            object_ids=scope.cleaned_data["jobs"],
            dry_run=not confirm.is_valid(),
            reason=confirm.cleaned_data.get("reason", "") if confirm.is_valid() else "",
            actor=actor_of(request),
        )
    context = {
        **admin.site.each_context(request),
        "title": "Reconcile",
        "scope": scope,
        "confirm": confirm,
        "report": report,
        "groups": _groups(report) if report else [],
        "abouts": [(each.title, each.about) for each in RECONCILERS.values()],
        "left_off": max(0, len(report.items) - SHOWN_ITEMS) if report else 0,
    }
    return TemplateResponse(request, "admin/reconcile.html", context)


def _groups(report: ReconcileReport) -> list[dict[str, Any]]:
    """By tenant, with what of it there is to look at."""
    return [
        {
            "tenant": group.tenant,
            "address": reverse("admin:tenants_tenant_change", args=[group.tenant_id]),
            "rows": [
                {"row": row, "address": _address(row.item.drift, is_there=report.dry_run)}
                for row in group.rows
            ],
        }
        for group in groups_of(report, limit=SHOWN_ITEMS)
    ]


def _address(drift: Drift, *, is_there: bool) -> str | None:
    """The object's own page, where it has one and is still there."""
    name = _PAGES.get(drift.object_type)
    if name is None or (drift.object_type == "execution" and not is_there):
        return None
    return reverse(name, args=[drift.object_id])
