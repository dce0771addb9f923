"""Reading jobs. Every function filters by tenant beside row security, so that either alone would do."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db.models import BooleanField, Case, CharField, Count, ExpressionWrapper, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Now

from apps.executions.states import Outcome
from apps.jobs.models import Job
from apps.jobs.states import FAILING_IN_A_ROW, Status, Switch, Trigger
from apps.tenants.identity import user_rows
from apps.tenants.models import Plan, Tenant

RECURRING = (Trigger.CRON, Trigger.INTERVAL)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)  # sorts jobs that are not due after those that are


def is_stopped() -> Q:
    """Jobs that the scheduler itself does not run: cooling off, or in quarantine."""
    return Q(cursor__cool_off_until__gt=Now()) | Q(cursor__quarantined_at__isnull=False)


def needs_somebody() -> Q:
    """Jobs that are stopped, or that run and fail every time."""
    return is_stopped() | Q(cursor__consecutive_failures__gte=FAILING_IN_A_ROW)


def status_of() -> Case:
    """The status of a row of `Job`, as an expression: the first that fits, by the database's clock."""
    over = Q(cursor__next_run_at=None) & ~Q(trigger_type=Trigger.MANUAL)
    return Case(
        When(deleted_at__isnull=False, then=Value(Status.COMPLETED.value)),
        When(switch=Switch.PAUSED, then=Value(Status.PAUSED.value)),
        When(needs_somebody(), then=Value(Status.NEEDS_INTERVENTION.value)),
        When(cursor__last_status=Outcome.FAILED, then=Value(Status.FAILED.value)),
        When(over, then=Value(Status.COMPLETED.value)),
        default=Value(Status.ACTIVE.value),
        output_field=CharField(),
    )


def jobs_of(tenant: Tenant, *, user_id: str | None = None, with_deleted: bool = False) -> QuerySet[Job]:
    """The tenant's jobs, or one user's of them, each with its cursor, its `status` and `due` (`NEVER` when not due)."""
    jobs = Job.objects.filter(tenant=tenant).select_related("cursor")
    if not with_deleted:
        jobs = jobs.filter(deleted_at=None)
    if user_id is not None:
        jobs = jobs.filter(user_rows(tenant.pk, user_id))
    return jobs.annotate(status=status_of(), due=Coalesce("cursor__next_run_at", Value(NEVER)))


def job_of(
    tenant: Tenant, job_id: int, *, user_id: str | None = None, with_deleted: bool = False
) -> Job | None:
    """The job, or None; with `user_id`, its `owned` says whether it is that user's."""
    jobs = jobs_of(tenant, with_deleted=with_deleted).filter(pk=job_id)
    if user_id is not None:
        own = ExpressionWrapper(user_rows(tenant.pk, user_id), output_field=BooleanField())
        jobs = jobs.annotate(owned=Coalesce(own, Value(False)))
    return jobs.first()


def ids_of(tenant: Tenant, job_ids: Collection[int], *, user_id: str | None) -> list[int]:
    """Those of `job_ids` that are jobs of the tenant, or of the user, in order."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None, id__in=job_ids)
    if user_id is not None:
        jobs = jobs.filter(user_rows(tenant.pk, user_id))
    return list(jobs.order_by("id").values_list("id", flat=True))


def job_counts(jobs: QuerySet[Any]) -> dict[str, int]:
    """`total_jobs`, `recurring_jobs` (cron, interval) and `one_time_jobs` (all others), in one query."""
    found = jobs.aggregate(
        total_jobs=Count("id"), recurring_jobs=Count("id", filter=Q(trigger_type__in=RECURRING))
    )
    return {**found, "one_time_jobs": found["total_jobs"] - found["recurring_jobs"]}


def jobs_by_external_key(tenant: Tenant, keys: list[str]) -> dict[str, Job]:
    """The live jobs that imports have made, by where they found them."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None, external_key__in=keys)
    return {job.external_key: job for job in jobs if job.external_key is not None}


def plan_of(tenant: Tenant) -> Plan:
    """The plan, read anew: the tenant at hand may be as old as the process, and plans change."""
    plan: Plan = Tenant.objects.select_related("plan").get(pk=tenant.pk).plan
    return plan
