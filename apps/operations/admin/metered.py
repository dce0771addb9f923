"""Jobs, with an action that leads to the page of repair; tenants, with what they use of their plans."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action
from unfold.views import ChangeList

from apps.jobs.admin import JobAdmin
from apps.jobs.models import Job
from apps.jobs.quotas import Consumption, consumption_of
from apps.jobs.schedules import database_now
from apps.operations.pages import PERMISSION
from apps.operations.uses import uses_of
from apps.tenants.admin.customers import TenantAdmin
from apps.tenants.models import Tenant
from apps.tenants.operators import column, one_with_reason

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


class _MeteredList(ChangeList):
    result_list: Any
    """What the tenants of this page use, in one statement more."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        used = uses_of([tenant.pk for tenant in self.result_list], now=database_now())
        for tenant in self.result_list:
            tenant.use = used[tenant.pk]


@admin.register(Tenant)
class MeteredTenantAdmin(TenantAdmin):
    list_display = (
        "schema_name",
        "name",
        "standing",
        "plan",
        "jobs",
        "running",
        "today",
        "failing",
        "domain",
    )
    actions_detail = ("suspend_one", "resume_one")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _MeteredList

    @column("jobs")
    def jobs(self, tenant: Any) -> str:
        return _meter(tenant.use.jobs, tenant.plan.max_jobs, "jobs")

    @column("running now")
    def running(self, tenant: Any) -> str:
        return _meter(tenant.use.running, tenant.plan.max_concurrency, "running")

    @column("executions today (UTC)")
    def today(self, tenant: Any) -> str:
        """What the plan was charged where it has a limit; else nobody counts that, and it is those that finished."""
        limit = tenant.plan.executions_per_day
        return _meter(tenant.use.charged if limit else tenant.use.finished, limit, "executions today")

    @column("failing jobs")
    def failing(self, tenant: Any) -> str:
        if not tenant.use.failing:
            return "0"
        jobs = f"{reverse('admin:jobs_job_changelist')}?tenant__id__exact={tenant.pk}&condition=failing"
        return format_html(
            '<a href="{}" class="font-semibold text-red-600 dark:text-red-500">{}</a>',
            jobs,
            f"{tenant.use.failing:,}",
        )

    @action(  # type: ignore[untyped-decorator]
        description="Suspend …", url_path="suspend", permissions=["change"], icon="pause_circle"
    )
    def suspend_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pauses all of its jobs, and closes its hosts and keys."""
        return one_with_reason(self, request, object_id, **self.suspending(request))

    @action(  # type: ignore[untyped-decorator]
        description="Resume …", url_path="resume", permissions=["change"], icon="play_circle"
    )
    def resume_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return one_with_reason(self, request, object_id, **self.resuming(request))

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


def _meter(number: int, limit: int, what: str) -> str:
    """A number against its limit, with a bar; 0 is none."""
    if not limit:
        return f"{number:,}"
    return format_html(
        '<span class="oncall-use">{} of {}'
        '<meter min="0" max="{}" low="{}" high="{}" optimum="0" value="{}" aria-label="{}"></meter></span>',
        f"{number:,}",
        f"{limit:,}",
        limit,
        limit * 3 / 4,
        limit * 9 / 10,
        number,
        what,
    )


def _of(number: int, limit: int, what: str) -> str:
    return f"{number:,} of {limit:,} {what}" if limit else f"{number:,} {what} (no limit)"
