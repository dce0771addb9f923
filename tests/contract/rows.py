"""Rows for the API to show, of every kind there is: made by services where people make them, inserted where the machine
or a former release did.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from django.db.models import Model

from apps.executions.models import (
    Attempt,
    Delta,
    Execution,
    ExecutionLog,
    ExecutionOutput,
    Skip,
    TenantTotals,
)
from apps.executions.states import AttemptOutcome, Kind, Outcome, SkipReason, State
from apps.jobs.models import Job
from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Membership
from tests.factories import make_job

Row = TypeVar("Row", bound=Model)
EVENT_TYPES = SchedulerEvent.Type.values
_IDS = count(10**9)  # beyond what the sequence of executions has given out
ERROR_TEXT = "HTTP 500 from the shop\nTraceback: line two is not for lists"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def count_finished(logs: Iterable[ExecutionLog]) -> None:
    """What whoever writes to the ledger also writes, for its exact counts."""
    Delta.objects.bulk_create(
        Delta(
            tenant_id=log.tenant_id,
            user_key=log.user_id or str(log.legacy_user_id or ""),
            task_type=log.task_type,
            status=log.status,
            hour=log.scheduled_for.replace(minute=0, second=0, microsecond=0),
            n=1,
        )
        for log in logs
    )


class Records:
    """Makes rows of one tenant; `owner` is whose they are unless said otherwise."""

    def __init__(self, owner: Membership) -> None:
        self.tenant = owner.tenant
        self.owner = owner

    def job(self, **fields: Any) -> Job:
        fields.setdefault("user_id", self.owner.user_id)
        job: Job = make_job(self.tenant, **fields)
        return job

    def old_job(self, *, user_id: str | None, legacy_user_id: int | None) -> Job:
        """As a release before the mapping of user ids left it."""
        job = self.job(name="from the old days")
        with all_tenants_scope():
            Job.objects.filter(pk=job.pk).update(user_id=user_id, legacy_user_id=legacy_user_id)
        return job

    def finished(
        self, job: Job, at: datetime, *, result: Any = None, error_text: str | None = None, **columns: Any
    ) -> ExecutionLog:
        row = self.log_row(job, at, is_failure=error_text is not None, **columns)
        with all_tenants_scope():
            row.save(force_insert=True)
            count_finished([row])
            Attempt.objects.create(
                tenant=self.tenant,
                execution_id=row.pk,
                scheduled_for=at,
                attempt=1,
                worker="w1",
                lease_token=uuid4(),
                started_at=at,
                finished_at=row.finished_at,
                outcome=AttemptOutcome(row.status),
                error_message=row.error_message,
            )
        if result is not None or error_text is not None:
            with tenant_scope(self.tenant):
                ExecutionOutput.objects.create(
                    tenant=self.tenant,
                    execution_id=row.pk,
                    scheduled_for=at,
                    result=result,
                    error_text=error_text,
                )
        return row

    def live(self, job: Job, at: datetime, *, leased: bool = True) -> Execution:
        return self._saved(self.live_row(job, at, leased=leased))

    def skip(self, job: Job, first: datetime, last: datetime, count: int, **columns: Any) -> Skip:
        return self._saved(self.skip_row(job, first, last, count, **columns))

    def event(self, event_type: str, at: datetime, job: Job | None = None, **columns: Any) -> SchedulerEvent:
        return self._saved(self.event_row(event_type, at, job, **columns))

    def log_row(self, job: Job, at: datetime, *, is_failure: bool = False, **columns: Any) -> ExecutionLog:
        values = self._owned(job, at) | {
            "id": next(_IDS),
            "status": Outcome.FAILED if is_failure else Outcome.SUCCESS,
            "error_message": "It failed." if is_failure else None,
            "attempts": 1,
            "started_at": at,
            "finished_at": at + timedelta(seconds=1),
            "execution_time_ms": 1000,
            "worker": "w1",
            "created_at": at + timedelta(seconds=1),
        }
        return ExecutionLog(**values | columns)

    def live_row(self, job: Job, at: datetime, *, leased: bool = True) -> Execution:
        lease = {
            "state": State.LEASED,
            "lease_token": uuid4(),
            "lease_expires_at": at + timedelta(hours=1),
            "leased_at": at,
            "attempt": 1,
            "worker": "w1",
        }
        values = self._owned(job, at) | {
            "content_version": 1,
            "timeout_seconds": 60,
            "max_attempts": 1,
            "retry_delay_seconds": 10,
            "retry_max_delay_seconds": 60,
        }
        return Execution(**values | (lease if leased else {}))

    def skip_row(self, job: Job, first: datetime, last: datetime, count: int, **columns: Any) -> Skip:
        values = {"reason": SkipReason.MISFIRE, "epoch": 1} | columns
        return Skip(tenant=self.tenant, job_id=job.pk, first=first, last=last, count=count, **values)

    def event_row(
        self, event_type: str, at: datetime, job: Job | None = None, **columns: Any
    ) -> SchedulerEvent:
        of_job = {"job_id": job.pk, "job_type": job.task_type, "user_id": job.user_id} if job else {}
        return SchedulerEvent(tenant=self.tenant, event_type=event_type, event_date=at, **of_job | columns)

    def totals(self, **columns: Any) -> None:
        with all_tenants_scope():
            TenantTotals.objects.update_or_create(tenant=self.tenant, defaults=columns)

    @staticmethod
    def _saved(row: Row) -> Row:
        with all_tenants_scope():
            row.save(force_insert=True)
        return row

    def _owned(self, job: Job, at: datetime) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "job_id": job.pk,
            "job_name": job.name,
            "user_id": job.user_id,
            "legacy_user_id": job.legacy_user_id,
            "kind": Kind.SCHEDULED,
            "scheduled_for": at,
            "run_at": at,
            "task_type": job.task_type,
            "target": job.target,
            "epoch": 1,
        }


def lead(*, heartbeat_age: timedelta = timedelta(0)) -> LeaderTerm:
    """An open term whose last heartbeat was so long ago."""
    heartbeat = datetime.now(UTC) - heartbeat_age
    LeaderTerm.objects.filter(ended_at=None).update(ended_at=heartbeat, end_reason="superseded")
    term: LeaderTerm = LeaderTerm.objects.create(
        term_id=uuid4(),
        replica="r1",
        host="h1",
        process_id=1,
        backend_pid=1,
        started_at=heartbeat,
        heartbeat_at=heartbeat,
    )
    return term
