"""The operators' pages of leadership: terms and the journal."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action

from apps.leadership.models import LeaderTerm, RefusedWrite, SchedulerEvent
from apps.leadership.selectors import current_term
from apps.leadership.services import step_down_request
from apps.leadership.timeline import read_timeline
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, actor_of, brief, column, with_reason
from apps.tenants.windows import WindowedAdmin

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
    list_before_template = "admin/terms.html"
    actions_list = ("step_down",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Above the list of all terms the picture of the last day's."""
        return super().changelist_view(request, {**(extra_context or {}), "timeline": read_timeline()})

    def has_step_down_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("leadership.change_leaderterm"))

    @action(  # type: ignore[untyped-decorator]
        description="Step down …", url_path="step-down", permissions=["step_down"], icon="logout"
    )
    def step_down(self, request: HttpRequest) -> HttpResponse:
        terms, term = reverse("admin:leadership_leaderterm_changelist"), current_term()
        if term is None:
            messages.error(request, "Nobody leads: there is no term to end.")
            return HttpResponseRedirect(terms)

        def step_down(term: LeaderTerm, reason: str) -> None:
            step_down_request(reason=reason, actor=actor_of(request))

        answer = with_reason(
            self,
            request,
            [term],
            action="",
            title="Step down",
            sentence="The leader finishes its transaction, ends its term and stands by again; a standby takes over at "
            "once, or the same replica a moment later where there is no other.",
            perform=step_down,
            back=terms,
        )
        return answer or HttpResponseRedirect(terms)

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
class RefusedWriteAdmin(WindowedAdmin):
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
class SchedulerEventAdmin(WindowedAdmin):
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
