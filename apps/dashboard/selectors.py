"""Reading what dashboards show. Every function filters by tenant beside row security, so that either alone would do."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db import connection
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Func,
    OuterRef,
    QuerySet,
    TextField,
    Value,
    When,
)

from apps.executions.history import Ledger
from apps.executions.models import Execution, ExecutionLog, ExecutionOutput, Skip, TenantTotals
from apps.executions.selectors import executions_finished, executions_live
from apps.executions.states import State
from apps.executions.targets import registry
from apps.jobs.models import Job
from apps.jobs.selectors import RECURRING
from apps.jobs.states import Switch
from apps.leadership.models import SchedulerEvent
from apps.tenants.identity import UserForms, user_forms, user_rows
from apps.tenants.models import Tenant

JOB_EVENTS = tuple(event.value for event in SchedulerEvent.Type if event.value.startswith("job_"))


def database_now() -> datetime:
    """The database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cast(datetime, cursor.fetchone()[0])


def ledger(
    tenant: Tenant,
    user_id: str | None,
    outcome: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Ledger:
    """What has finished, with nominal times from `since` until before `until`; pages cost the same at any size."""
    return Ledger(tenant.pk, _forms(tenant, user_id), outcome, since, until)


def finished(tenant: Tenant, user_id: str | None, outcome: str | None = None) -> QuerySet[ExecutionLog]:
    """What has finished, to be filtered further."""
    return executions_finished(tenant_id=tenant.pk, user=_forms(tenant, user_id), status=outcome)


def with_retry(rows: QuerySet[Any], tenant: Tenant) -> QuerySet[Any]:
    """Those of which there is a retry, live or finished. By way of the retries, which are few."""
    live, ended = (retries.values("retry_of") for retries in _retries(tenant))
    return rows.filter(pk__in=live.union(ended))


def without_retry(rows: QuerySet[Any], tenant: Tenant) -> QuerySet[Any]:
    """The others. Two conditions rather than one: Postgres joins each, where it would try an OR row by row."""
    live, ended = (Exists(retries.filter(retry_of=OuterRef("pk"))) for retries in _retries(tenant))
    return rows.filter(~live, ~ended)


def _retries(tenant: Tenant) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Live and finished ones. That `retry_of` is not null is said for the index executionlog_of_retried."""
    is_retry = {"tenant": tenant, "retry_of__isnull": False}
    return Execution.objects.order_by().filter(**is_retry), ExecutionLog.objects.order_by().filter(**is_retry)


def running(tenant: Tenant, user_id: str | None) -> QuerySet[Execution]:
    """What workers hold at this moment."""
    rows = executions_live(tenant_id=tenant.pk).filter(state=State.LEASED)
    return rows if user_id is None else rows.filter(user_rows(tenant.pk, user_id))


def skipped(tenant: Tenant, user_id: str | None) -> QuerySet[Skip]:
    """Ranges of nominal times without an execution."""
    rows = Skip.objects.filter(tenant=tenant)
    if user_id is None:
        return rows
    of_user = Job.objects.filter(user_rows(tenant.pk, user_id), tenant=tenant)
    return rows.filter(job_id__in=of_user.values("id"))


def _forms(tenant: Tenant, user_id: str | None) -> UserForms | None:
    return None if user_id is None else user_forms(tenant.pk, user_id)


def outputs_of(tenant: Tenant, rows: Collection[ExecutionLog]) -> dict[int, dict[str, Any]]:
    """`result` and `error_line` by execution, for a page of the ledger: the first line of the full error, or of a
    traceback the last, which says what was raised.
    """
    if not rows:
        return {}
    times = [row.scheduled_for for row in rows]
    traceback = When(error_text__startswith="Traceback (most recent call last)", then=_line_of_error(-1))
    found = (
        ExecutionOutput.objects.filter(
            tenant=tenant,
            execution_id__in=[row.pk for row in rows],
            scheduled_for__gte=min(times),  # prunes partitions
            scheduled_for__lte=max(times),
        )
        .annotate(error_line=Case(traceback, default=_line_of_error(1)))
        .values("execution_id", "result", "error_line")
    )
    return {row["execution_id"]: dict(row) for row in found}


def _line_of_error(number: int) -> Func:
    text = Func(F("error_text"), Value("\n"), function="rtrim")
    return Func(text, Value("\n"), Value(number), function="split_part", output_field=TextField())


def jobs_by_id(tenant: Tenant, job_ids: Collection[int | None]) -> dict[int, Job]:
    """Jobs for naming their history, deleted ones too."""
    wanted = {job_id for job_id in job_ids if job_id is not None}
    return Job.objects.filter(tenant=tenant).in_bulk(wanted) if wanted else {}


def job_ids_named(tenant: Tenant, text: str) -> list[int]:
    """The tenant's jobs whose name contains `text`, deleted ones too."""
    return list(Job.objects.filter(tenant=tenant, name__icontains=text).values_list("id", flat=True))


def events(tenant: Tenant, user_id: str | None) -> QuerySet[SchedulerEvent]:
    """The tenant's lines of the journal, or those of one user's jobs."""
    rows = SchedulerEvent.objects.filter(tenant=tenant)
    return rows if user_id is None else rows.filter(user_rows(tenant.pk, user_id))


def totals_of(tenant: Tenant) -> TenantTotals | None:
    return TenantTotals.objects.filter(tenant=tenant).first()


def running_count(tenant: Tenant) -> int:
    return executions_live(tenant_id=tenant.pk).filter(state=State.LEASED).count()


class JobCounts(NamedTuple):
    """`total` and `recurring` (cron, interval) jobs of a member, or of the tenant; `active_types` are the tenant's."""

    total: int
    recurring: int
    active_types: int


def job_counts(tenant: Tenant, user_id: str | None) -> JobCounts:
    """All three in one look at the tenant's jobs: there may be ten thousand."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None)
    own = None if user_id is None else user_rows(tenant.pk, user_id)
    groups = list(
        jobs.values_list("task_type", "switch", "trigger_type").annotate(n=Count("id", filter=own)).order_by()
    )
    return JobCounts(
        total=sum(n for *_, n in groups),
        recurring=sum(n for _, _, trigger, n in groups if trigger in RECURRING),
        active_types=len({task_type for task_type, switch, *_ in groups if switch == Switch.ACTIVE}),
    )


def last_interval_adjustment(tenant: Tenant) -> datetime | None:
    adjusted = SchedulerEvent.objects.filter(
        tenant=tenant, event_type=SchedulerEvent.Type.INTERVAL_ADJUSTMENT
    ).order_by("-event_date")
    return adjusted.values_list("event_date", flat=True).first()


def task_types_of(tenant: Tenant) -> list[str]:
    """The registered tasks that the tenant's plan allows."""
    allowed = tenant.plan.allowed_tasks
    return [name for name in registry.registered_names() if registry.is_allowed(name, allowed)]
