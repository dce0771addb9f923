"""A tenant as the API has to show it: `small` with a few rows of every kind, `large` with many in each list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.executions.models import Execution, ExecutionLog, ExecutionOutput, Skip
from apps.executions.states import Kind, Outcome, SkipReason
from apps.jobs import services
from apps.jobs.calendars.services import calendar_create
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Membership
from tests.contract.belongings import belongings
from tests.contract.rows import ERROR_TEXT, EVENT_TYPES, Records, count_finished, lead, now

__all__ = ["ERROR_TEXT", "EVENT_TYPES", "NAMES", "Records", "count_finished", "large", "lead", "now", "small"]
NAMES = (  # of ids that paths may hold
    *("job", "paused", "failing", "every", "success", "failed", "running", "pending"),
    *("calendar", "channel", "key", "colleague", "invitation"),
)
_NUMBERS: dict[str, dict[str, Any]] = {  # of events, by type
    "check_cycle": {
        "check_cycle_number": 7,
        "check_interval_minutes": 1.0,
        "tasks_found": 2,
        "tasks_executed": 1,
        "tasks_failed": 1,
        "tasks_by_type": {"http_check": 2},
        "check_duration_seconds": 0.01,
        "active_strategies_count": 1,
        "active_executions": 1,
    },
    "interval_adjustment": {"previous_interval_minutes": 1.0, "new_interval_minutes": 5.0},
    "job_failed": {"error_message": "It failed.", "event_data": {"failures": 3}},
}


def small(owner: Membership) -> dict[str, Any]:
    """A few rows of each kind, with those that former releases left. Ids of some by name."""
    records, at = Records(owner), now()
    hourly = records.job(name="hourly")
    every = records.job(name="every minute", trigger=TriggerSpec.every(60))
    records.job(name="once", trigger=TriggerSpec.once(at + timedelta(days=1)))
    records.job(name="on demand", trigger=TriggerSpec.manual(), website_url="https://example.com/")
    paused = records.job(name="paused")
    services.job_pause(tenant=records.tenant, job_id=paused.pk, reason="holidays", actor="tests")
    failing = records.job(name="failing", platform="shop", website_url="https://example.com/")
    with all_tenants_scope():
        Cursor.objects.filter(job_id=failing.pk).update(
            last_status=Outcome.FAILED,
            last_failure_at=at,
            last_success_at=at - timedelta(days=1),
            failure_reason="It failed.",
            consecutive_failures=3,
            cool_off_until=at + timedelta(hours=1),
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
        records.event(event_type, at - timedelta(minutes=number), job, **_NUMBERS.get(event_type, {}))
    beside = belongings(owner)
    closed = calendar_create(
        tenant=records.tenant,
        name=f"closed days of {owner.user_id}",
        blackouts=[{"from": "2026-05-01", "to": "2026-05-02", "reason": "May Day"}],
        actor="tests",
    )
    services.job_update(
        tenant=records.tenant, job_id=paused.pk, changes={"calendar_id": closed.pk}, actor="tests"
    )
    records.finished(beside.pop("monitor"), at - timedelta(minutes=10), result={"clicks": 7})
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
    return beside | {
        "user": owner.user_id,
        "type": failing.task_type,
        "now": at.isoformat(),
        "earlier": (at - timedelta(hours=4)).isoformat(),
        "job": hourly.pk,
        "every": every.pk,
        "paused": paused.pk,
        "failing": failing.pk,
        "success": success.pk,
        "failed": failed.pk,
        "running": running.pk,
        "pending": pending.pk,
    }


def large(owner: Membership, rows: int) -> dict[str, Any]:
    """`rows` rows in each list, many of them at the same instant. In bulk, so without content and journal lines."""
    records, at, beside = Records(owner), now(), belongings(owner)
    monitor = beside.pop("monitor")
    services.job_delete(
        tenant=owner.tenant, job_id=monitor.pk, actor="tests"
    )  # the lists hold `rows` rows each
    first = records.job(name="job 0", trigger=TriggerSpec.manual())
    columns = {name: getattr(first, name) for name in ("user_id", "trigger_type", "target", "task_type")}
    with all_tenants_scope():
        SchedulerEvent.objects.filter(job_id__in=[first.pk, monitor.pk]).delete()
        more = [Job(tenant=owner.tenant, name=f"job {n % 7}", **columns) for n in range(1, rows)]
        jobs = [first, *Job.objects.bulk_create(more)]
        Cursor.objects.bulk_create(Cursor(job=job, tenant=owner.tenant) for job in jobs[1:])
        moments = [at - timedelta(minutes=n // 3) for n in range(rows)]
        pairs = list(zip(jobs, moments, strict=True))
        logs = ExecutionLog.objects.bulk_create(records.log_row(job, moment) for job, moment in pairs)
        count_finished(logs)
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
    return beside | {
        "user": owner.user_id,
        "type": first.task_type,
        "now": at.isoformat(),
        "earlier": (at - timedelta(hours=4)).isoformat(),
        **dict.fromkeys(("job", "paused", "failing", "every"), first.pk),
        **dict.fromkeys(("success", "failed"), logs[0].pk),
        **dict.fromkeys(("running", "pending"), live[0].pk),
    }
