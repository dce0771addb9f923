"""Reads of executions, for a tenant's own pages and for on-call. Everything filters by tenant beside row security."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet, Sum, Value

from apps.executions.models import Attempt, Counter, Delta, Execution, ExecutionLog, ExecutionOutput


def executions_live(*, tenant_id: int) -> QuerySet[Execution]:
    """Waiting and running, in no order."""
    return Execution.objects.filter(tenant_id=tenant_id)


def executions_finished(*, tenant_id: int) -> QuerySet[ExecutionLog]:
    """The ledger, the latest first."""
    return ExecutionLog.objects.filter(tenant_id=tenant_id).order_by("-scheduled_for", "-id")


def execution_attempts(*, execution: Execution | ExecutionLog) -> QuerySet[Attempt]:
    """The attempts that have ended, in order."""
    return Attempt.objects.filter(
        tenant_id=execution.tenant_id, execution_id=execution.pk, scheduled_for=execution.scheduled_for
    ).order_by("finished_at")


def execution_output(*, execution: ExecutionLog) -> ExecutionOutput | None:
    """What it returned or raised. Only in the scope of its tenant; None to everyone else."""
    return ExecutionOutput.objects.filter(
        tenant_id=execution.tenant_id, execution_id=execution.pk, scheduled_for=execution.scheduled_for
    ).first()


def finished_count(
    *,
    tenant_id: int,
    user_keys: Sequence[str] | None = None,
    status: str | None = None,
    task_type: str | None = None,
) -> int:
    """How many executions have finished, exactly, without counting the ledger.

    `user_keys` are a user's forms: the string and the integer as a string. Counters and what is not folded yet are read
    in one statement, so that a fold in between counts nothing twice.
    """
    filters: dict[str, object] = {"tenant_id": tenant_id}
    if user_keys is not None:
        filters["user_key__in"] = list(user_keys)
    if status is not None:
        filters["status"] = status
    if task_type is not None:
        filters["task_type"] = task_type
    sums = [
        model.objects.filter(**filters).values(one=Value(1)).annotate(total=Sum("n")).values_list("total")
        for model in (Counter, Delta)
    ]
    return sum(total or 0 for (total,) in sums[0].union(sums[1], all=True))
