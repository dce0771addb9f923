"""Reads of executions, for a tenant's own pages and for on-call. Everything filters by tenant beside row security."""

from __future__ import annotations

from django.db.models import BooleanField, Expression, ExpressionWrapper, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, ExecutionOutput, Tally
from apps.executions.states import Outcome
from apps.tenants.identity import UserForms, rows_of, user_rows


def executions_live(*, tenant_id: int) -> QuerySet[Execution]:
    """Waiting and running, in no order."""
    return Execution.objects.filter(tenant_id=tenant_id)


def executions_finished(
    *, tenant_id: int, user: UserForms | None = None, status: str | None = None
) -> QuerySet[ExecutionLog]:
    """The ledger, the latest first. To page it, `history.Ledger` is quicker."""
    rows = ExecutionLog.objects.filter(
        tenant_id=tenant_id, status__in=Outcome.values if status is None else [status]
    )
    if user is not None:
        rows = rows.filter(rows_of(user))
    return rows.order_by("-scheduled_for", "-id")


def owned_by(tenant_id: int, user_id: str | None) -> Expression:
    """Whether a row of the tenant, of a model with both forms of a user's id, is that user's; None: anybody's."""
    if user_id is None:
        return Value(True)
    whose = ExpressionWrapper(user_rows(tenant_id, user_id), output_field=BooleanField())
    return Coalesce(whose, Value(False))


def execution_of(
    *, tenant_id: int, execution_id: int, user_id: str | None
) -> ExecutionLog | Execution | None:
    """A finished execution or a live one; with `user_id`, its `owned` says whether it is that user's.

    One that finishes between the first look and the second is found by the third.
    """
    own = owned_by(tenant_id, user_id)
    ledger = ExecutionLog.objects.filter(tenant_id=tenant_id, id=execution_id).annotate(owned=own)
    live = Execution.objects.filter(tenant_id=tenant_id, id=execution_id).annotate(owned=own)
    return ledger.first() or live.first() or ledger.first()


def execution_attempts(*, execution: Execution | ExecutionLog) -> list[Attempt]:
    """The attempts that have ended, in order. The last one of a finished execution may be in the ledger's row alone; it
    is then an `Attempt` without an id."""
    attempts = list(
        Attempt.objects.filter(
            tenant_id=execution.tenant_id, execution_id=execution.pk, scheduled_for=execution.scheduled_for
        ).order_by("finished_at")
    )
    if isinstance(execution, ExecutionLog) and execution.lease_token is not None:
        attempts.append(_last_attempt(execution))
    return attempts


def _last_attempt(log: ExecutionLog) -> Attempt:
    return Attempt(
        tenant_id=log.tenant_id,
        execution_id=log.pk,
        scheduled_for=log.scheduled_for,
        attempt=log.attempts,
        worker=log.worker or "",
        lease_token=log.lease_token or "",
        started_at=log.started_at,
        finished_at=log.finished_at,
        outcome=log.outcome or "",
        error_message=log.error_message,
    )


def execution_output(*, execution: ExecutionLog) -> ExecutionOutput | None:
    """What it returned or raised. Only in the scope of its tenant; None to everyone else."""
    return ExecutionOutput.objects.filter(
        tenant_id=execution.tenant_id, execution_id=execution.pk, scheduled_for=execution.scheduled_for
    ).first()


def finished_count(*, tenant_id: int, user: UserForms | None = None, status: str | None = None) -> int:
    """How many executions have finished, exactly, at the same cost whatever the ledger's size.

    Tallies and what is not folded yet are read in one statement, so that a fold in between counts nothing twice.
    """
    wanted = Q(tenant_id=tenant_id) if status is None else Q(tenant_id=tenant_id, status=status)
    of_user = Q() if user is None else Q(user_key__in=user.strings)
    found = (
        Tally.objects.filter(wanted, Q(user_key=None) if user is None else of_user),
        Delta.objects.filter(wanted, of_user),
    )
    tallied, waiting = (
        rows.values(one=Value(1)).annotate(total=Sum("n")).values_list("total") for rows in found
    )
    return sum(total or 0 for (total,) in tallied.union(waiting, all=True))
