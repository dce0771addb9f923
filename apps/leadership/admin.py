"""The operators' pages of leadership: terms and the journal."""

from django.contrib import admin

from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, brief, column


@admin.register(LeaderTerm)
class LeaderTermAdmin(ReadOnlyAdmin):
    list_display = (
        "epoch",
        "replica",
        "host",
        "state",
        "started_at",
        "heartbeat_at",
        "ended_at",
        "end_reason",
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    ordering = ("-epoch",)
    sortable_by = ()
    search_numbers = ("epoch",)
    search_texts = ("replica", "host")

    @column("state", label={"open": "success", "ended": "info"})
    def state(self, term: LeaderTerm) -> str:
        return "ended" if term.ended_at else "open"


@admin.register(SchedulerEvent)
class SchedulerEventAdmin(ReadOnlyAdmin):
    """Rows without a tenant are the scheduler's own."""

    list_display = (
        "event_date",
        "kind",
        "tenant",
        "epoch",
        "job_id",
        "tasks_found",
        "tasks_executed",
        "tasks_failed",
        "error",
    )
    list_filter = (TENANT_FILTER, "event_type")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    sortable_by = ()
    search_numbers = ("job_id", "epoch")

    @column(
        "event",
        label={
            "start": "success",
            "stop": "warning",
            "job_failed": "danger",
            "job_cancelled": "warning",
            "job_completed": "success",
        },
    )
    def kind(self, event: SchedulerEvent) -> str:
        return event.event_type

    @column("error")
    def error(self, event: SchedulerEvent) -> str | None:
        return brief(event.error_message)
