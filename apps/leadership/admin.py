"""The operators' pages of leadership: terms and the journal."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest

from apps.leadership.models import LeaderTerm, RefusedWrite, SchedulerEvent
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, brief, column

_REFUSED = {
    "term_over": "danger",
    "stale_lease": "warning",
    "late_renewal": "warning",
    "second_end": "danger",
}


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
        "late_writes",
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    ordering = ("-epoch",)
    sortable_by = ()
    search_numbers = ("epoch",)
    search_texts = ("replica", "host")

    @column("state", label={"open": "success", "ended": "info"})
    def state(self, term: LeaderTerm) -> str:
        return "ended" if term.ended_at else "open"

    def get_queryset(self, request: HttpRequest) -> QuerySet[LeaderTerm]:
        late = RefusedWrite.objects.filter(epoch=OuterRef("epoch")).values("epoch")
        terms: QuerySet[LeaderTerm] = super().get_queryset(request)
        return terms.annotate(refused=Subquery(late.annotate(n=Sum("count")).values("n")))

    @column("late writes refused")
    def late_writes(self, term: Any) -> int | None:
        return term.refused  # type: ignore[no-any-return]


@admin.register(RefusedWrite)
class RefusedWriteAdmin(ReadOnlyAdmin):
    """Writes of a leader after its term, and of workers without their leases: tried, and refused."""

    list_display = ("at", "actor", "name", "kind", "count", "epoch")
    list_filter = ("actor", "what", "at")
    ordering = ("-id",)
    sortable_by = ()
    search_numbers = ("epoch",)
    search_texts = ("name",)

    @column("what", label=_REFUSED)
    def kind(self, refused: RefusedWrite) -> tuple[str, str]:
        return refused.what, refused.get_what_display()


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
