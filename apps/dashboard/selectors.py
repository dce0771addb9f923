"""Reading what dashboards show. Every function filters by tenant beside row security, so that either alone would do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    F,
    Func,
    Model,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Coalesce

from apps.executions.models import Execution, ExecutionLog, ExecutionOutput, Skip, TenantTotals
from apps.executions.selectors import executions_finished, executions_live
from apps.executions.states import State
from apps.executions.targets import registry
from apps.jobs.models import Job
from apps.jobs.states import Switch
from apps.leadership.models import SchedulerEvent
from apps.tenants.identity import user_rows
from apps.tenants.models import Tenant

JOB_EVENTS = tuple(event.value for event in SchedulerEvent.Type if event.value.startswith("job_"))
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which executions or skips: of one user, of one job, with a nominal time from `since` until before `until`."""

    user_id: str | None = None
    job_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def database_now() -> datetime:
    """The database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cast(datetime, cursor.fetchone()[0])


def finished(tenant: Tenant, wanted: LogFilter, outcome: str | None = None) -> QuerySet[ExecutionLog]:
    """The ledger."""
    rows = _within(executions_finished(tenant_id=tenant.pk), tenant, wanted)
    return rows if outcome is None else rows.filter(status=outcome)


def running(tenant: Tenant, wanted: LogFilter) -> QuerySet[Execution]:
    """What workers hold at this moment."""
    return _within(executions_live(tenant_id=tenant.pk).filter(state=State.LEASED), tenant, wanted)


def skipped(tenant: Tenant, wanted: LogFilter) -> QuerySet[Skip]:
    """Ranges of nominal times without an execution that reach into the window."""
    rows = Skip.objects.filter(tenant=tenant)
    if wanted.user_id is not None:
        of_user = Job.objects.filter(user_rows(tenant.pk, wanted.user_id), tenant=tenant)
        rows = rows.filter(job_id__in=of_user.values("id"))
    if wanted.job_id is not None:
        rows = rows.filter(job_id=wanted.job_id)
    if wanted.since is not None:
        rows = rows.filter(last__gte=wanted.since)
    return rows if wanted.until is None else rows.filter(first__lt=wanted.until)


def _within(rows: QuerySet[_Row], tenant: Tenant, wanted: LogFilter) -> QuerySet[_Row]:
    if wanted.user_id is not None:
        rows = rows.filter(user_rows(tenant.pk, wanted.user_id))
    if wanted.job_id is not None:
        rows = rows.filter(job_id=wanted.job_id)
    if wanted.since is not None:
        rows = rows.filter(scheduled_for__gte=wanted.since)
    return rows if wanted.until is None else rows.filter(scheduled_for__lt=wanted.until)


def execution_of(tenant: Tenant, execution_id: int, user_id: str | None) -> ExecutionLog | Execution | None:
    """A finished execution or a live one; with `user_id`, its `owned` says whether it is that user's.

    One that finishes between the first look and the second is found by the third.
    """
    own = Value(True)
    if user_id is not None:
        own = Coalesce(  # type: ignore[assignment]
            ExpressionWrapper(user_rows(tenant.pk, user_id), output_field=BooleanField()),
            Value(False),
        )
    ledger = ExecutionLog.objects.filter(tenant=tenant, id=execution_id).annotate(owned=own)
    live = Execution.objects.filter(tenant=tenant, id=execution_id).annotate(owned=own)
    return ledger.first() or live.first() or ledger.first()


def outputs_of(tenant: Tenant, rows: Collection[ExecutionLog]) -> dict[int, dict[str, Any]]:
    """`result` and `error_line` (the first line of the full error) by execution, for a page of the ledger."""
    if not rows:
        return {}
    times = [row.scheduled_for for row in rows]
    error_line = Func(F("error_text"), Value("\n"), Value(1), function="split_part", output_field=TextField())
    found = (
        ExecutionOutput.objects.filter(
            tenant=tenant,
            execution_id__in=[row.pk for row in rows],
            scheduled_for__gte=min(times),  # prunes partitions
            scheduled_for__lte=max(times),
        )
        .annotate(error_line=error_line)
        .values("execution_id", "result", "error_line")
    )
    return {row["execution_id"]: dict(row) for row in found}


def jobs_by_id(tenant: Tenant, job_ids: Collection[int | None]) -> dict[int, Job]:
    """Jobs for naming their history, deleted ones too."""
    wanted = {job_id for job_id in job_ids if job_id is not None}
    return Job.objects.filter(tenant=tenant).in_bulk(wanted) if wanted else {}


def events(tenant: Tenant, user_id: str | None) -> QuerySet[SchedulerEvent]:
    """The tenant's lines of the journal, or those of one user's jobs."""
    rows = SchedulerEvent.objects.filter(tenant=tenant)
    return rows if user_id is None else rows.filter(user_rows(tenant.pk, user_id))


def totals_of(tenant: Tenant) -> TenantTotals | None:
    return TenantTotals.objects.filter(tenant=tenant).first()


def running_count(tenant: Tenant) -> int:
    return executions_live(tenant_id=tenant.pk).filter(state=State.LEASED).count()


def active_type_count(tenant: Tenant) -> int:
    """How many task types have a job whose schedule counts."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None, switch=Switch.ACTIVE)
    return cast(int, jobs.aggregate(n=Count("task_type", distinct=True))["n"])


def last_interval_adjustment(tenant: Tenant) -> datetime | None:
    adjusted = SchedulerEvent.objects.filter(
        tenant=tenant, event_type=SchedulerEvent.Type.INTERVAL_ADJUSTMENT
    ).order_by("-event_date")
    return adjusted.values_list("event_date", flat=True).first()


def task_types_of(tenant: Tenant) -> list[str]:
    """The registered tasks that the tenant's plan allows."""
    allowed = tenant.plan.allowed_tasks
    return [name for name in registry.registered_names() if registry.is_allowed(name, allowed)]
