"""Rows for the API to show, of every kind there is: made by services where people make them, inserted where the machine
or a former release did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from django.db.models import Model

from apps.executions.models import Attempt, Execution, ExecutionLog, ExecutionOutput, Skip, TenantTotals
from apps.executions.states import AttemptOutcome, Kind, Outcome, SkipReason, State
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
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


def small(owner: Membership) -> dict[str, Any]:
    """A few rows of each kind, with those that former releases left. Ids of some by name."""
    records, at = Records(owner), now()
    hourly = records.job(name="hourly")
    every = records.job(name="every minute", trigger=TriggerSpec.every(60))
    records.job(name="once", trigger=TriggerSpec.once(at + timedelta(days=1)))
    records.job(name="on demand", trigger=TriggerSpec.manual(), website_url="https://example.com/")
    paused = records.job(name="paused")
    services.job_pause(tenant=records.tenant, job_id=paused.pk, reason="holidays", actor="tests")
    failing = records.job(name="failing")
    with all_tenants_scope():
        Cursor.objects.filter(job_id=failing.pk).update(
            last_status=Outcome.FAILED,
            last_failure_at=at,
            last_success_at=at - timedelta(days=1),
            failure_reason="It failed.",
            consecutive_failures=3,
        )
    records.old_job(user_id=None, legacy_user_id=424242)
    records.old_job(user_id="only-a-string", legacy_user_id=None)
    deleted = records.job(name="deleted")
    services.job_delete(tenant=records.tenant, job_id=deleted.pk, actor="tests")

    success = records.finished(hourly, at - timedelta(hours=1), result={"status": 200})
    failed = records.finished(failing, at - timedelta(minutes=30), error_text=ERROR_TEXT)
    records.finished(every, at - timedelta(minutes=20), user_id=None, legacy_user_id=424242)
    records.finished(every, at - timedelta(minutes=21), user_id="only-a-string", legacy_user_id=None)
    records.finished(every, at - timedelta(minutes=22), user_id=None, legacy_user_id=None)
    records.finished(deleted, at - timedelta(minutes=23), kind=Kind.RETRY, retry_of=success.pk)
    records.finished(every, at - timedelta(days=1), started_at=None, execution_time_ms=None, worker=None)
    running = records.live(hourly, at)
    pending = records.live(every, at + timedelta(minutes=1), leased=False)
    records.skip(every, at - timedelta(hours=3), at - timedelta(hours=2), 61, detail="Too late.")
    records.skip(paused, at - timedelta(hours=1), at - timedelta(hours=1), 1, reason=SkipReason.PAUSED)
    for number, event_type in enumerate(EVENT_TYPES):
        job = hourly if event_type.startswith("job_") else None
        numbers = {
            "check_cycle_number": 7,
            "check_interval_minutes": 1.0,
            "tasks_found": 2,
            "tasks_executed": 1,
            "tasks_failed": 1,
            "tasks_by_type": {"http_check": 2},
            "check_duration_seconds": 0.01,
        }
        records.event(
            event_type,
            at - timedelta(minutes=number),
            job,
            **(numbers if event_type == "check_cycle" else {}),
        )
    term = lead()
    records.totals(
        check_cycles=10,
        tasks_found=20,
        tasks_executed=15,
        tasks_failed=5,
        term_epoch=term.epoch,
        term_checks=1,
        term_found=2,
        term_executed=3,
        term_failed=4,
        term_skipped=5,
        last_check_at=at,
    )
    return {
        "job": hourly.pk,
        "paused": paused.pk,
        "success": success.pk,
        "failed": failed.pk,
        "running": running.pk,
        "pending": pending.pk,
    }


def large(owner: Membership, rows: int) -> dict[str, Any]:
    """`rows` rows in each list, many of them at the same instant. In bulk, so without content and journal lines."""
    records, at = Records(owner), now()
    first = records.job(name="job 0", trigger=TriggerSpec.manual())
    columns = {name: getattr(first, name) for name in ("user_id", "trigger_type", "target", "task_type")}
    with all_tenants_scope():
        SchedulerEvent.objects.filter(job_id=first.pk).delete()
        more = [Job(tenant=owner.tenant, name=f"job {n % 7}", **columns) for n in range(1, rows)]
        jobs = [first, *Job.objects.bulk_create(more)]
        Cursor.objects.bulk_create(Cursor(job=job, tenant=owner.tenant) for job in jobs[1:])
        moments = [at - timedelta(minutes=n // 3) for n in range(rows)]
        pairs = list(zip(jobs, moments, strict=True))
        logs = ExecutionLog.objects.bulk_create(records.log_row(job, moment) for job, moment in pairs)
        live = Execution.objects.bulk_create(records.live_row(job, moment) for job, moment in pairs)
        Skip.objects.bulk_create(
            records.skip_row(job, moment - timedelta(hours=1), moment, 60) for job, moment in pairs
        )
        SchedulerEvent.objects.bulk_create(
            records.event_row(EVENT_TYPES[n % len(EVENT_TYPES)], moment, job)
            for n, (job, moment) in enumerate(pairs)
        )
    with tenant_scope(owner.tenant):
        ExecutionOutput.objects.bulk_create(
            ExecutionOutput(
                tenant=owner.tenant, execution_id=log.pk, scheduled_for=log.scheduled_for, result={"n": n}
            )
            for n, log in enumerate(logs)
        )
    lead()
    return {
        **dict.fromkeys(("job", "paused"), first.pk),
        **dict.fromkeys(("success", "failed"), logs[0].pk),
        **dict.fromkeys(("running", "pending"), live[0].pk),
    }
