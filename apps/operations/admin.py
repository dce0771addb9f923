"""Jobs, with an action that leads to the page of repair; tenants, with what they use of their plans."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join

from apps.jobs.admin import JobAdmin
from apps.jobs.models import Job
from apps.jobs.quotas import Consumption, consumption_of
from apps.operations.pages import PERMISSION
from apps.tenants.admin.customers import TenantAdmin
from apps.tenants.models import Tenant
from apps.tenants.operators import column

MAX_SELECTED = 200  # jobs; their ids travel in the address


@admin.register(Job)
class ReconcilableJobAdmin(JobAdmin):
    actions = ("reconcile",)

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    @admin.action(description="Reconcile cursors …", permissions=["reconcile"])
    def reconcile(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        ids = list(queryset.order_by("id").values_list("id", flat=True)[: MAX_SELECTED + 1])
        if len(ids) > MAX_SELECTED:
            messages.error(
                request, f"Select up to {MAX_SELECTED} jobs, or reconcile a tenant or all of them at once."
            )
            return None
        query = urlencode({"kind": "cursors", "jobs": ",".join(map(str, ids))}, safe=",")
        return HttpResponseRedirect(f"{reverse('admin:reconcile')}?{query}")


@admin.register(Tenant)
class MeteredTenantAdmin(TenantAdmin):
    fields = (*TenantAdmin.fields, "usage")
    readonly_fields = (*TenantAdmin.readonly_fields, "usage")

    @column("use of the plan")
    def usage(self, tenant: Tenant) -> str:
        return format_html_join("", "<div>{}</div>", ((line,) for line in _lines(consumption_of(tenant))))


def _lines(has: Consumption) -> list[str]:
    plan = has.plan
    lines = [
        f"{has.jobs:,} of {plan.max_jobs:,} jobs",
        _of(has.running, plan.max_concurrency, "running now"),
    ]
    if has.used is None:
        return [*lines, "runs made are not counted: the plan has no limit of them"]
    return [
        *lines,
        _of(has.used.minute, plan.executions_per_minute, "runs made this minute"),
        _of(has.used.day, plan.executions_per_day, "runs made today (UTC)"),
    ]


def _of(number: int, limit: int, what: str) -> str:
    return f"{number:,} of {limit:,} {what}" if limit else f"{number:,} {what} (no limit)"
