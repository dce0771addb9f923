"""The operators' page of failures: looks for those that can run again, and runs them again with a reason.

Opening it looks, in a transaction in which nothing can be written. What it finds is bounded in time, the last day where
nothing else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.executions.models import ExecutionLog
from apps.jobs.quotas import QuotaExceeded
from apps.jobs.retries import MAX_RETRIED, Retried, failures_to_retry, runs_retry
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobRefused
from apps.jobs.why_page import InstantField
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.operators import ReasonForm, actor_of, link, utc

PERMISSION = "executions.change_executionlog"
SHOWN = 25
LOOKED_BACK = timedelta(days=1)
MAX_SPAN = timedelta(days=31)


class FailuresForm(forms.Form):
    """Which failures: a tenant's, in a range of nominal times, and there of one job or of all."""

    tenant = forms.CharField(widget=UnfoldAdminTextInputWidget(), help_text="Its short name.")
    job = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Its number; empty for all.",
    )
    since = InstantField(label="From (UTC)")
    until = InstantField(label="To (UTC)")

    def clean_tenant(self) -> Tenant:
        name = self.cleaned_data["tenant"].strip()
        tenant: Tenant | None = Tenant.objects.select_related("plan").filter(schema_name=name).first()
        if tenant is None:
            raise forms.ValidationError(f"There is no tenant {name!r}.")
        return tenant

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and not timedelta(0) <= until - since <= MAX_SPAN:
            raise forms.ValidationError(
                f"A range begins before it ends and is {MAX_SPAN.days} days long at most."
            )
        return given


def retry_page(request: HttpRequest) -> HttpResponse:
    """GET looks, POST with a `reason` runs up to MAX_RETRIED again."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    if request.method not in ("GET", "HEAD", "POST"):
        raise Http404
    posted = request.method == "POST"
    asked: Any = request.POST if posted else request.GET
    form = FailuresForm({**_last_day(), **asked.dict()} if "tenant" in asked else None, initial=_last_day())
    reason = ReasonForm(request.POST if posted else None)
    context = {
        **admin.site.each_context(request),
        "title": "Retry failures",
        "form": form,
        "reason": reason,
        "most": MAX_RETRIED,
    }
    if form.is_valid():
        with tenant_scope(form.cleaned_data["tenant"]):
            found = _found(form.cleaned_data)
            if reason.is_valid():
                context |= _retry(form.cleaned_data["tenant"], found, reason.cleaned_data["reason"], request)
            else:
                context |= {"found": len(found), "table": _table(found[:SHOWN])}
    return TemplateResponse(request, "admin/retry_failures.html", context)


def _last_day() -> dict[str, str]:
    now = database_now().astimezone(UTC)
    return {"since": utc(now - LOOKED_BACK), "until": utc(now)}


def _found(asked: dict[str, Any]) -> list[ExecutionLog]:
    rows = failures_to_retry(
        asked["tenant"], owner=None, job_id=asked["job"], since=asked["since"], until=asked["until"]
    )
    return list(rows[:MAX_RETRIED])


def _retry(
    tenant: Tenant, found: Sequence[ExecutionLog], reason: str, request: HttpRequest
) -> dict[str, Any]:
    try:
        done = runs_retry(
            tenant=tenant,
            execution_ids=[row.pk for row in found],
            owner=None,
            actor=actor_of(request),
            reason=reason,
            again=False,
        )
    except (JobRefused, QuotaExceeded) as error:
        return {"refused": str(error), "found": len(found), "table": _table(found[:SHOWN])}
    return {"done": done, "refusals": _refusals(done), "full": len(found) == MAX_RETRIED}


def _refusals(done: Retried) -> list[str]:
    return [f"Execution {number}: {sentence}" for number, sentence in list(done.refused.items())[:SHOWN]]


def _table(rows: Sequence[ExecutionLog]) -> dict[str, Any]:
    return {
        "headers": ["Execution", "Job", "Time (UTC)", "Error"],
        "rows": [
            [
                link(reverse("admin:executions_executionlog_change", args=[row.pk]), row.pk),
                row.job_name,
                utc(row.scheduled_for),
                row.error_message or "",
            ]
            for row in rows
        ],
    }
