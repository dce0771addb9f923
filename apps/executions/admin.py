"""The operators' pages of executions: what runs, what ran, what did not, and how much.

Outputs are not here: what a customer's run returned or raised is the customer's alone, and row security says so too.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.executions.admin_windows import LedgerAdmin
from apps.executions.models import Attempt, Counter, Execution, ExecutionLog, Skip, TenantTotals
from apps.executions.states import Outcome
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, brief, column
from apps.tenants.windows import WindowedAdmin

_OUTCOMES = {
    "success": "success",
    "failed": "danger",
    "timeout": "warning",
    "lost": "danger",
    "released": "info",
    "leased": "success",
    "pending": "info",
}


class ExecutionAdmin(ReadOnlyAdmin):
    """Live rows. A finished execution is in the ledger. `operations` registers it, and adds what may be done."""

    list_display = (
        "id",
        "tenant",
        "job_name",
        "kind",
        "shown_state",
        "attempt",
        "scheduled_for",
        "run_at",
        "worker",
        "lease_expires_at",
    )
    list_filter = (TENANT_FILTER, "state", "kind")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    search_numbers = ("id", "job_id")
    search_texts = ("job_name", "worker")
    exclude = ("lease_token",)  # whoever knows it could speak for the worker

    @column("state", ordering="state", label=_OUTCOMES)
    def shown_state(self, execution: Execution) -> str:
        return execution.state


class ExecutionLogAdmin(LedgerAdmin):
    """The ledger, by id: the order in which executions were made, and one that its key can serve. `operations`
    registers it, and adds what may be done.
    """

    list_display = (
        "id",
        "tenant",
        "job_name",
        "kind",
        "shown_status",
        "attempts",
        "scheduled_for",
        "finished_at",
        "milliseconds",
        "epoch",
        "error",
    )
    list_filter = (TENANT_FILTER, "status", "kind")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_numbers = ("id", "job_id")
    search_texts = ("job_name",)

    exclude = ("lease_token",)

    @column("status", label=_OUTCOMES)
    def shown_status(self, log: ExecutionLog) -> str:
        return log.status

    @column("ms")
    def milliseconds(self, log: ExecutionLog) -> int | None:
        return log.execution_time_ms

    @column("error")
    def error(self, log: ExecutionLog) -> str | None:
        return brief(log.error_message)


@admin.register(Attempt)
class AttemptAdmin(WindowedAdmin):
    tenant_indexed = False
    list_display = (
        "execution_id",
        "attempt",
        "tenant",
        "shown_outcome",
        "worker",
        "started_at",
        "finished_at",
        "error",
    )
    list_filter = (TENANT_FILTER, "outcome")
    list_select_related = ("tenant",)
    ordering = ("-execution_id", "-attempt")
    sortable_by = ()
    search_numbers = ("execution_id",)
    exclude = ("lease_token",)

    @column("outcome", label=_OUTCOMES)
    def shown_outcome(self, attempt: Attempt) -> str:
        return attempt.outcome

    @column("error")
    def error(self, attempt: Attempt) -> str | None:
        return brief(attempt.error_message)


@admin.register(Skip)
class SkipAdmin(WindowedAdmin):
    list_display = ("id", "tenant", "job_id", "reason", "count", "first", "last", "epoch", "detail")
    list_filter = (TENANT_FILTER, "reason")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_numbers = ("id", "job_id")


class OutcomeFilter(admin.SimpleListFilter):
    """Offers what there can be; Django's own would read the whole table for what there is."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value) for value in Outcome.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Counter)
class CounterAdmin(WindowedAdmin):
    list_display = ("hour", "tenant", "user_key", "task_type", "status", "n")
    list_filter = (TENANT_FILTER, OutcomeFilter)
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_texts = ("user_key", "task_type")


@admin.register(TenantTotals)
class TenantTotalsAdmin(ReadOnlyAdmin):
    list_display = (
        "tenant",
        "check_cycles",
        "tasks_found",
        "tasks_executed",
        "tasks_failed",
        "tasks_skipped",
        "term_epoch",
        "last_check_at",
        "updated_at",
    )
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    ordering = ("tenant_id",)
