"""The operators' page of repair.

Opening it is the dry run: a GET, in a transaction in which the database lets nothing be written. What it shows is
repaired by the button below, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.operations import services
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reconcilers.base import Drift
from apps.operations.reports import SHOWN_ITEMS, Item
from apps.tenants.models import Tenant
from apps.tenants.operators import actor_of

PERMISSION = "jobs.change_cursor"


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
        help_text="Ids (of users, the old ones), separated by commas; empty for all.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds: Any = self.fields["kind"]
        kinds.choices = [(kind, reconciler.title) for kind, reconciler in RECONCILERS.items()]

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
        return [int(part) for part in parts] or None


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
            kinds=[scope.cleaned_data["kind"]],
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
        "table": _table(report.items[:SHOWN_ITEMS]) if report else None,
        "left_off": max(0, len(report.items) - SHOWN_ITEMS) if report else 0,
    }
    return TemplateResponse(request, "admin/reconcile.html", context)


def _table(items: Sequence[Item]) -> dict[str, Any]:
    names = dict(
        Tenant.objects.filter(pk__in={item.drift.tenant_id for item in items}).values_list(
            "pk", "schema_name"
        )
    )
    return {
        "headers": ["Tenant", "Object", "What", "Is", "Becomes", "Result"],
        "rows": [
            [
                names.get(item.drift.tenant_id, "?"),
                _object(item.drift),
                item.detail or item.drift.sentence,
                _state(item.drift.found),
                _state(item.drift.wanted),
                item.result.value,
            ]
            for item in items
        ],
    }


def _object(drift: Drift) -> str:
    if drift.object_type != "job":
        return f"{drift.object_type} {drift.object_id} ({drift.label})"
    return format_html(
        '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>',
        reverse("admin:jobs_job_change", args=[drift.object_id]),
        drift.label,
    )


def _state(columns: Mapping[str, Any]) -> str:
    """What is stored, or will be: where a cursor stands, in a few words; of anything else, its columns."""
    if not columns:
        return "-"
    if "next_run_at" not in columns:
        return ", ".join(f"{name}: {value}" for name, value in columns.items())
    if columns["next_run_at"]:
        return _plain(columns["next_run_at"])
    return f"none (held from {_plain(columns['paused_from'])})" if columns["paused_from"] else "none"


def _plain(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
