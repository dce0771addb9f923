"""Executions, with what on-call may do to them: cancel, run again, and see what is the customer's, having said why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from unfold.decorators import action

from apps.executions.admin import ExecutionAdmin, ExecutionLogAdmin
from apps.executions.models import Execution, ExecutionLog
from apps.jobs.quotas import QuotaExceeded
from apps.jobs.retries import runs_retry
from apps.jobs.runs import AlreadyFinished, run_cancel
from apps.jobs.specs import JobRefused
from apps.operations.break_glass_pages import PERMISSION, break_glass_page
from apps.operations.retry_page import PERMISSION as MAY_RETRY
from apps.tenants.models import Tenant
from apps.tenants.operators import ReadOnlyAdmin, actor_of, one_with_reason, with_reason
from apps.tenants.services import Refused

_CANCEL: dict[str, Any] = {
    "title": "Cancel executions",
    "sentence": "What waits will not run; what runs is stopped by its worker. They end in the ledger as failed, "
    "cancelled by you, and their jobs go on with the times to come.",
}
_RETRY: dict[str, Any] = {
    "title": "Run again",
    "sentence": "Each runs again as a new execution of its job as it is today, and counts against the plan of its "
    "tenant.",
}


def _cancel(execution: Execution, *, actor: str, reason: str) -> None:
    """Raises `Refused`."""
    try:
        run_cancel(tenant=_tenant(execution), execution=execution, actor=actor, by=actor, reason=reason)
    except AlreadyFinished as error:
        raise Refused(f"Execution {execution.pk} has finished already.") from error
    except JobRefused as error:
        raise Refused(str(error)) from error


def _retry(log: ExecutionLog, *, actor: str, reason: str) -> None:
    """Raises `Refused`."""
    try:
        done = runs_retry(tenant=_tenant(log), execution_ids=[log.pk], owner=None, actor=actor, reason=reason)
    except (JobRefused, QuotaExceeded) as error:
        raise Refused(f"Execution {log.pk}: {error}") from error
    if log.pk in done.refused:
        raise Refused(f"Execution {log.pk}: {done.refused[log.pk]}")


def _tenant(row: Execution | ExecutionLog) -> Tenant:
    return row.tenant


class _WithGlass(ReadOnlyAdmin):
    """A page of an execution from which its tenant's outputs can be asked for."""

    def has_break_glass_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    @action(  # type: ignore[untyped-decorator]
        description="Break glass …", url_path="break-glass", permissions=["break_glass"], icon="emergency"
    )
    def break_glass(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return break_glass_page(self, request, object_id)


@admin.register(Execution)
class CancellableExecutionAdmin(_WithGlass, ExecutionAdmin):
    actions = ("cancel",)
    actions_detail = ("cancel_one", "break_glass")

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("executions.change_execution"))

    @admin.action(description="Cancel …", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Execution]) -> HttpResponse | None:
        return with_reason(
            self,
            request,
            queryset.select_related("tenant"),
            action="cancel",
            perform=lambda row, reason: _cancel(row, actor=actor_of(request), reason=reason),
            **_CANCEL,
        )

    @action(  # type: ignore[untyped-decorator]
        description="Cancel …", url_path="cancel", permissions=["cancel"], icon="cancel"
    )
    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return one_with_reason(
            self,
            request,
            object_id,
            done=reverse("admin:executions_execution_changelist"),  # its own page is gone with it
            perform=lambda row, reason: _cancel(row, actor=actor_of(request), reason=reason),
            **_CANCEL,
        )


@admin.register(ExecutionLog)
class RetryableExecutionLogAdmin(_WithGlass, ExecutionLogAdmin):
    actions = ("retry",)
    actions_list = ("retry_failures",)
    actions_detail = ("retry_one", "break_glass")

    def has_retry_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm(MAY_RETRY))

    @admin.action(description="Run again …", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[ExecutionLog]) -> HttpResponse | None:
        return with_reason(
            self,
            request,
            queryset.select_related("tenant"),
            action="retry",
            perform=lambda row, reason: _retry(row, actor=actor_of(request), reason=reason),
            **_RETRY,
        )

    @action(  # type: ignore[untyped-decorator]
        description="Run again …", url_path="retry", permissions=["retry"], icon="replay"
    )
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return one_with_reason(
            self,
            request,
            object_id,
            perform=lambda row, reason: _retry(row, actor=actor_of(request), reason=reason),
            **_RETRY,
        )

    @action(  # type: ignore[untyped-decorator]
        description="Retry failures …", url_path="retry-failures", permissions=["retry"], icon="replay"
    )
    def retry_failures(self, request: HttpRequest) -> HttpResponse:
        """Those of the tenant that the list is filtered by, if it is."""
        tenant_id, query = request.GET.get("tenant__id__exact", ""), ""
        if tenant_id.isdecimal() and len(tenant_id) <= 18:
            names = Tenant.objects.filter(pk=int(tenant_id)).values_list("schema_name", flat=True)
            query = "?" + urlencode({"tenant": next(iter(names), "")})
        return HttpResponseRedirect(reverse("admin:retry_failures") + query)
