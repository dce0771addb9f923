"""Tenants and plans."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.tenants import oncall, services
from apps.tenants.models import Domain, Plan, Tenant
from apps.tenants.operators import OperatorsAdmin, ReasonForm, actor_of, column, with_reason


class DomainInline(TabularInline):
    model = Domain
    extra = 0
    hide_title = True
    can_delete = False
    fields = ("domain", "is_primary")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeletionForm(ReasonForm):
    short_name = forms.CharField(
        max_length=63, widget=UnfoldAdminTextInputWidget(), help_text="Of the tenant, letter by letter."
    )


class TenantAdmin(OperatorsAdmin):
    """Made by `create_tenant`, which makes the schema too, and deleted by `delete_tenant`, for which it is marked here.
    `operations` registers it, and adds what the tenant uses of its plan.
    """

    list_display: tuple[str, ...] = ("schema_name", "name", "standing", "plan", "domain", "created_at")
    list_filter = ("status", "plan")
    list_select_related = ("plan",)
    ordering = ("schema_name",)
    search_numbers = ("id",)
    search_texts = ("schema_name", "name", "domains__domain")
    fields: tuple[str, ...] = ("schema_name", "name", "plan", "status", "deletion_due_at", "created_at")
    readonly_fields: tuple[str, ...] = ("schema_name", "status", "deletion_due_at", "created_at")
    inlines = (DomainInline,)
    actions = ("suspend", "resume", "ask_for_deletion", "keep")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        queryset: QuerySet[Tenant] = super().get_queryset(request).prefetch_related("domains")
        return queryset

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, _ = super().get_search_results(request, queryset, search_term)
        return found, True  # a tenant with two domains that match is one row

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @column("domain")
    def domain(self, tenant: Any) -> str:
        return ", ".join(row.domain for row in tenant.domains.all() if row.is_primary)

    @column(
        "status", ordering="status", label={"active": "success", "suspended": "danger", "deleting": "danger"}
    )
    def standing(self, tenant: Tenant) -> str:
        return tenant.status

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        oncall.tenant_update(tenant=obj, changes=changes, actor=actor_of(request))

    def suspending(self, request: HttpRequest) -> dict[str, Any]:
        """For `with_reason`."""
        return {
            "title": "Suspend tenants",
            "sentence": "All their jobs are paused, and their hosts and keys will answer 403. Times that pass "
            "meanwhile are recorded as skipped.",
            "perform": lambda tenant, reason: oncall.tenant_suspend(
                tenant=tenant, reason=reason, actor=actor_of(request)
            ),
        }

    def resuming(self, request: HttpRequest) -> dict[str, Any]:
        return {
            "title": "Resume tenants",
            "sentence": "Their hosts and keys will answer again, and their jobs go on with the times to come.",
            "perform": lambda tenant, reason: oncall.tenant_resume(
                tenant=tenant, reason=reason, actor=actor_of(request)
            ),
        }

    @admin.action(description="Suspend (pause all jobs) …", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        return with_reason(self, request, queryset, action="suspend", **self.suspending(request))

    @admin.action(description="Resume …", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        return with_reason(self, request, queryset, action="resume", **self.resuming(request))

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tenants.delete_tenant"))

    @admin.action(description="Ask for deletion …", permissions=["erase"])
    def ask_for_deletion(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        return with_reason(
            self,
            request,
            queryset,
            action="ask_for_deletion",
            title="Ask for the deletion of a tenant",
            sentence="It has to be suspended. After the waiting period `manage.py delete_tenant` deletes everything "
            "that is its own, for good; until then it can be kept. The reason stays: name a ticket, not the customer.",
            perform=lambda tenant, reason: oncall.tenant_deletion_request(
                tenant=tenant,
                short_name=request.POST.get("short_name", ""),
                reason=reason,
                actor=actor_of(request),
            ),
            form_class=DeletionForm,
        )

    @admin.action(description="Keep after all …", permissions=["erase"])
    def keep(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        return with_reason(
            self,
            request,
            queryset,
            action="keep",
            title="Keep tenants after all",
            sentence="They stay, suspended, if their waiting period is not over.",
            perform=lambda tenant, reason: oncall.tenant_deletion_cancel(
                tenant=tenant, reason=reason, actor=actor_of(request)
            ),
        )


@admin.register(Plan)
class PlanAdmin(OperatorsAdmin):
    """Quotas. A plan that tenants have cannot be deleted, and the others need not be."""

    list_display = (
        "name",
        "max_jobs",
        "min_interval_seconds",
        "max_timeout_seconds",
        "retention_days",
        "requests_per_minute",
        "max_concurrency",
        "executions_per_minute",
        "executions_per_day",
        "tasks",
    )
    ordering = ("name",)
    search_texts = ("name",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        help_texts = {
            "retention_days": "Of finished executions; 0: for ever.",
            "requests_per_minute": "Of each key and each account; 0: no limit.",
            "max_concurrency": "Executions of a tenant that run at once; 0: no limit.",
            "executions_per_minute": "Executions made for a tenant, by its schedules and on request; 0: no limit.",
            "executions_per_day": "The same in a day of UTC; 0: no limit.",
            "redact": "Keys, separated by commas, whose values are taken out of results and errors before they are "
            "stored; headers like Authorization always are.",
            "allowed_tasks": "Names, separated by commas; * for all; empty for the public ones.",
        }
        return super().get_form(request, obj, change, help_texts=help_texts, **kwargs)

    @column("allowed tasks")
    def tasks(self, plan: Plan) -> str:
        return ", ".join(plan.allowed_tasks)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            oncall.plan_update(plan=obj, changes=changes, actor=actor_of(request))
        else:
            obj.pk = services.plan_create(**form.cleaned_data).pk
