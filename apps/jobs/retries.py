"""Running finished executions again, each as a new one that names the old.

One transaction in the tenant's scope with one audit entry, however many. A retry runs the execution's job as it is
today, so `owner` says whose executions and jobs alone may be touched; None: everybody's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.executions.models import Execution, ExecutionLog
from apps.executions.selectors import executions_finished, owned_by
from apps.executions.services import executions_retry
from apps.executions.states import Outcome, State
from apps.jobs.fields import reason_text
from apps.jobs.models import Cursor, Job
from apps.jobs.quotas import request_executions
from apps.tenants.context import tenant_scope
from apps.tenants.identity import user_forms, user_rows
from apps.tenants.models import Tenant
from apps.tenants.services import audit

_Run = TypeVar("_Run", Execution, ExecutionLog)
MAX_RETRIED = 500  # in one transaction, which holds the cursors of their jobs
NO_EXECUTION = "There is no such execution."
NOT_YOUR_EXECUTION = "This execution is of another user's job."
NOT_FINISHED = "This execution has not finished yet; cancel it first, or wait."
IMPORTED = "This execution ran in another system; it has no job here that could run again."
NO_JOB = "The job of this execution has been deleted."
NOT_YOUR_JOB = "The job of this execution belongs to another user now."
NO_CURSOR = (
    "The job of this execution has lost its place in the schedule; an operator has to reconcile it first."
)


@dataclass(slots=True)
class Retried:
    """`made` are the new executions by the old ones; `refused` says in a sentence why others were not run again."""

    made: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


def runs_retry(
    *,
    tenant: Tenant,
    execution_ids: Collection[int],
    owner: str | None,
    actor: str,
    reason: str = "",
    again: bool = True,
) -> Retried:
    """Run finished executions again, each as a new one that names the old; one that cannot be loses no other.

    At most MAX_RETRIED. Without `again`, those of which somebody has had a retry meanwhile are passed over. Raises
    JobRefused (the reason); QuotaExceeded, and then not one runs again.
    """
    assert len(execution_ids) <= MAX_RETRIED  # noqa: S101 - the caller's part
    reason = reason_text(reason)
    done = Retried()
    with tenant_scope(tenant), transaction.atomic():
        # Live ones first: what finishes in between is then found in the ledger.
        live = _found(tenant, Execution, execution_ids, owner)
        finished = _found(tenant, ExecutionLog, execution_ids, owner)
        jobs = _held(tenant, {row.job_id for row in finished.values() if row.job_id is not None}, owner)
        # With the cursors held: of two who ask for the same failures, the second sees what the first has made.
        passed_over = set() if again else _retried(tenant, finished)
        pairs: list[tuple[ExecutionLog, Job]] = []
        for number in sorted(set(execution_ids) - passed_over):
            row = finished.get(number)
            job = jobs.get(row.job_id) if row is not None and row.job_id is not None else None
            if sentence := _refusal(row or live.get(number), job):
                done.refused[number] = sentence
            else:
                pairs.append((cast(ExecutionLog, row), cast(Job, job)))
        if pairs:
            request_executions(tenant, len(pairs))
            done.made = executions_retry(pairs=pairs)
            audit(
                actor=actor,
                action="execution.retry",
                tenant=tenant,
                object_type="execution",
                object_id=pairs[0][0].pk if len(pairs) == 1 else "",
                reason=reason,
                data={
                    "retried": [
                        {
                            "job_id": job.id,
                            "before": {"execution_id": row.pk, "status": row.status},
                            "after": {"execution_id": done.made[row.pk], "status": State.PENDING.value},
                        }
                        for row, job in pairs
                    ]
                },
            )
    return done


def _found(tenant: Tenant, model: type[_Run], ids: Collection[int], owner: str | None) -> dict[int, _Run]:
    """By id, each with `owned`."""
    possible = [number for number in ids if 0 < number < 2**63]
    rows = model._default_manager.filter(tenant=tenant, pk__in=possible)
    return {row.pk: row for row in rows.annotate(owned=owned_by(tenant.pk, owner))}


def _retried(tenant: Tenant, ids: Collection[int]) -> set[int]:
    """Those of which there is a retry, live or finished."""
    found: set[int] = set()
    for model in (Execution, ExecutionLog):
        rows = model._default_manager.filter(tenant=tenant, retry_of__in=list(ids))
        found.update(number for number in rows.values_list("retry_of", flat=True) if number is not None)
    return found


def _held(tenant: Tenant, job_ids: Collection[int], owner: str | None) -> dict[int, Job]:
    """The jobs that are left of these, each with `owned` and `placed`, with their cursors locked: whoever deletes one
    waits, or has done so. Locked in the order in which the fold of outcomes locks them.
    """
    cursors = Cursor.objects.select_for_update().filter(tenant=tenant, job_id__in=job_ids).order_by("job_id")
    placed = {cursor.job_id for cursor in cursors}
    jobs = Job.objects.filter(tenant=tenant, pk__in=job_ids, deleted_at=None)
    held: dict[int, Job] = {}
    for job in jobs.annotate(owned=owned_by(tenant.pk, owner)):
        job.placed = job.pk in placed  # type: ignore[attr-defined]
        held[job.pk] = job
    return held


def _refusal(row: Any, job: Any) -> str | None:
    """Why `row` cannot run again, as a sentence. `job` is its job as it is today, if there is one."""
    if row is None:
        return NO_EXECUTION
    if not row.owned:
        return NOT_YOUR_EXECUTION
    if isinstance(row, Execution):
        return NOT_FINISHED
    if row.job_id is None:
        return IMPORTED
    if job is None:
        return NO_JOB
    if not job.owned:
        return NOT_YOUR_JOB
    return None if job.placed else NO_CURSOR


def failures_to_retry(
    tenant: Tenant,
    *,
    owner: str | None,
    user_id: str | None = None,
    job_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[ExecutionLog]:
    """Failed executions that can run again and of which nobody has had a retry yet, the oldest nominal time first.

    So asking for the next ones after a retry never names the same again. `user_id` narrows them to one user's;
    `since` is included, `until` is not.
    """
    user = user_forms(tenant.pk, user_id) if user_id is not None else None
    rows = executions_finished(tenant_id=tenant.pk, user=user, status=Outcome.FAILED)
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None, cursor__isnull=False)
    if owner is not None:
        jobs = jobs.filter(user_rows(tenant.pk, owner))
    if job_id is not None:
        rows, jobs = rows.filter(job_id=job_id), jobs.filter(pk=job_id)
    if since is not None:
        rows = rows.filter(scheduled_for__gte=since)
    if until is not None:
        rows = rows.filter(scheduled_for__lt=until)
    rows = rows.filter(job_id__in=jobs.values("pk"))
    for model in (Execution, ExecutionLog):
        rows = rows.exclude(Exists(model.objects.filter(tenant=tenant, retry_of=OuterRef("pk"))))
    return rows.order_by("scheduled_for", "id")
