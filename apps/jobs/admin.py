"""The operators' page of jobs, each with its cursor. `operations` registers it, and adds repair.

A job is its tenant's to change, through the API: here it is looked at. What it does (payload, headers, secrets) is in
the tenant's vault and not shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.formats import localize
from unfold.decorators import action

from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.wording import describe
from apps.jobs.schedules import rule_of
from apps.jobs.selectors import status_of
from apps.jobs.states import FAILING_IN_A_ROW, LATE
from apps.jobs.why_page import why_page
from apps.tenants.operators import TENANT_FILTER, ReadOnlyAdmin, brief, column


class ConditionFilter(admin.SimpleListFilter):
    """What on-call looks for."""

    title = "condition"
    parameter_name = "condition"
    conditions = {
        "quarantined": ("Quarantined", Q(cursor__quarantined_at__isnull=False)),
        "failing": (
            f"{FAILING_IN_A_ROW} or more failures in a row",
            Q(cursor__consecutive_failures__gte=FAILING_IN_A_ROW),
        ),
        "late": ("Late", Q(cursor__next_run_at__lt=Now() - LATE)),
        "paused": ("Paused", Q(switch="paused", deleted_at=None)),
        "lost": ("Without a cursor", Q(cursor=None)),
        "deleted": ("Deleted", Q(deleted_at__isnull=False)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


_JOB = (
    "id",
    "tenant",
    "name",
    "external_key",
    "user_id",
    "legacy_user_id",
    "version",
    "target",
    "task_type",
    "task_category",
    "platform",
    "website_url",
)
_SCHEDULE = (
    "schedule",
    "trigger_type",
    "cron_expression",
    "timezone",
    "interval_seconds",
    "anchor_at",
    "run_date",
    "dst_gap",
    "dst_overlap",
    "starts_at",
    "ends_at",
    "calendar",
    "jitter_seconds",
)
_POLICIES = (
    "misfire",
    "misfire_grace_seconds",
    "misfire_max_runs",
    "misfire_pace_seconds",
    "overlap",
    "max_concurrency",
    "timeout_seconds",
    "max_attempts",
    "retry_delay_seconds",
    "retry_max_delay_seconds",
    "priority",
    "cool_off_after",
    "cool_off_seconds",
)
_STATE = (
    "status",
    "switch",
    "pause_reason",
    "paused_at",
    "created_at",
    "updated_at",
    "deleted_at",
)
CURSOR_COLUMNS = (
    "next_run_at",
    "last_scheduled_for",
    "paused_from",
    "last_status",
    "last_finished_at",
    "last_success_at",
    "last_failure_at",
    "failure_reason",
    "consecutive_failures",
    "cool_off_until",
    "quarantined_at",
    "quarantine_reason",
)


def _cursor_column(name: str) -> Any:
    """A field of the job's cursor as a read-only field of the job's page."""
    field = Cursor._meta.get_field(name)

    @column(str(getattr(field, "verbose_name", name)))
    def shown(job: Job) -> Any:
        cursor = cursor_of(job)
        value = getattr(cursor, name) if cursor is not None else None
        return localize(value) if isinstance(value, datetime) else value

    shown.__name__ = f"cursor_{name}"
    return shown


_CURSOR = tuple(_cursor_column(name) for name in CURSOR_COLUMNS)


def cursor_of(job: Job) -> Cursor | None:
    """The cursor that was fetched with the job; None for a job that has lost it."""
    return getattr(job, "cursor", None)


class JobAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "tenant",
        "schedule",
        "state",
        "next_run",
        "last_outcome",
        "failures",
        "quarantine",
    )
    list_filter = (TENANT_FILTER, ConditionFilter, "trigger_type", "switch")
    ordering = ("-id",)
    sortable_by = ()  # to sort is to read all of them; the conditions and the overview lead to the worst
    search_numbers = ("id", "legacy_user_id")
    search_texts = ("name", "user_id", "external_key")
    fieldsets = (
        (None, {"fields": _JOB}),
        ("State", {"fields": _STATE}),
        ("Cursor: how far the scheduler got", {"fields": _CURSOR}),
        ("Schedule", {"fields": _SCHEDULE}),
        ("Policies", {"fields": _POLICIES}),
    )
    readonly_fields = ("id", "status", "schedule", *_CURSOR)
    actions_detail = ("why",)

    @action(  # type: ignore[untyped-decorator]
        description="Why didn't it run?", url_path="why", permissions=["view"], icon="help"
    )
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return why_page(self, request, object_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        queryset: QuerySet[Job] = (
            super()
            .get_queryset(request)
            .select_related("tenant", "cursor", "calendar")
            .annotate(status=status_of())
        )
        return queryset

    @column("schedule")
    def schedule(self, job: Job) -> str:
        try:
            return describe(rule_of(job))
        except ValueError:  # ScheduleError is one
            return f"cannot be worked out: {job.cron_expression} {job.timezone}"

    @column("status")
    def status(self, job: Any) -> str:
        return str(job.status)

    @column(
        "status",
        label={
            "active": "success",
            "paused": "warning",
            "failed": "danger",
            "needs_intervention": "danger",
            "completed": "info",
            "deleted": "info",
        },
    )
    def state(self, job: Any) -> str:
        return "deleted" if job.deleted_at else str(job.status)

    @column("next run")
    def next_run(self, job: Job) -> datetime | None:
        cursor = cursor_of(job)
        return cursor.next_run_at if cursor else None

    @column("last", label={"success": "success", "failed": "danger"})
    def last_outcome(self, job: Job) -> str | None:
        cursor = cursor_of(job)
        return cursor.last_status if cursor else None

    @column("failures")
    def failures(self, job: Job) -> int | None:
        cursor = cursor_of(job)
        return cursor.consecutive_failures if cursor else None

    @column("quarantined")
    def quarantine(self, job: Job) -> str | None:
        cursor = cursor_of(job)
        if cursor is None:
            return "no cursor"
        return brief(cursor.quarantine_reason) if cursor.quarantined_at else None
