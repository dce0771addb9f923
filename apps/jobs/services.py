"""Every change that a person makes to a job.

Each service is one transaction in the tenant's scope: the job, its cursor and its content in the vault, the ledger's
entry for what the change leaves undone, a line in the journal, an audit entry, and a NOTIFY that wakes the leader on
commit. The cursor's row lock comes first and a job is only written under it, so whoever dispatches the job has either
done so before, and the change finds the cursor moved, or compares afterwards and finds the job's version changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from apps.executions.cancellation import cancel_waiting
from apps.executions.services import execution_trigger
from apps.executions.states import SkipReason
from apps.jobs import placing
from apps.jobs.admission import admit
from apps.jobs.announcements import announce
from apps.jobs.calendars.selectors import refuse_foreign_calendar
from apps.jobs.cool_off import end_cool_off
from apps.jobs.editing import WHOLE_JOB, hold_names, locked, payload_of, refuse_taken_key, save, user_ids
from apps.jobs.fields import reason_text
from apps.jobs.models import Cursor, Job
from apps.jobs.platforms.uniqueness import one_per_platform
from apps.jobs.quotas import request_executions
from apps.jobs.recording import state_of
from apps.jobs.schedules import database_now, first_after, rule_of
from apps.jobs.selectors import plan_of
from apps.jobs.specs import TRIGGER_FIELDS, JobRefused, JobSpec, changed, spec_of
from apps.jobs.states import Switch
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.vault.services import content_put


def job_create(*, tenant: Tenant, spec: JobSpec, actor: str, reason: str = "") -> Job:
    """A new job, due from its first time after now. Raises JobRefused."""
    reason = reason_text(reason)
    with tenant_scope(tenant), transaction.atomic():
        plan = plan_of(tenant)
        now = database_now()
        admitted = admit(plan=plan, spec=spec, now=now)
        assert admitted.rule is not None  # noqa: S101 - a new job's trigger is always looked at
        hold_names(tenant)
        refuse_taken_key(tenant, admitted.columns["external_key"])
        refuse_foreign_calendar(tenant, admitted.columns["calendar_id"])
        count = Job.objects.filter(tenant=tenant, deleted_at=None).count()
        if count >= plan.max_jobs:
            raise JobRefused({WHOLE_JOB: f"Your plan allows {plan.max_jobs:,} jobs and you have {count:,}."})
        columns = admitted.columns | user_ids(tenant, admitted.columns)
        with one_per_platform():
            job = Job.objects.create(tenant=tenant, schedule_since=now, **columns)
        job.cursor = Cursor.objects.create(
            job=job,
            tenant=tenant,
            lane=len(str(count + 1)),
            next_run_at=first_after(admitted.rule, now),
        )
        content_put(job_id=job.id, version=job.content_version, content=admitted.payload)
        announce(job, "job.create", actor=actor, reason=reason, event=SchedulerEvent.Type.JOB_SCHEDULED)
    return job


def job_update(
    *,
    tenant: Tenant,
    job_id: int,
    changes: Mapping[str, Any],
    actor: str,
    expected_version: int | None = None,
    reason: str = "",
) -> Job:
    """Change fields of a job; names are those of JobSpec and TriggerSpec. Changing nothing keeps the version.

    A new schedule begins after now. What the old one left undone becomes a skip. Executions that exist keep the
    content they were made with. A new target or payload ends a cool-off: what failed is not what will run.

    Raises JobNotFound, JobRefused, VersionConflict.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant):
        reschedules = any(name in TRIGGER_FIELDS for name in changes)
        counted = placing.count_ahead(tenant, job_id) if reschedules else None
        with transaction.atomic():
            if {"external_key", "calendar_id"} & set(changes):
                hold_names(tenant)
            job, cursor = locked(tenant, job_id, expected_version)
            was, before = state_of(job), spec_of(job, payload_of(job, changes))
            now = database_now()
            admitted = admit(plan=plan_of(tenant), spec=changed(before, changes), now=now, before=before)
            columns = admitted.columns
            if columns["external_key"] != job.external_key:
                refuse_taken_key(tenant, columns["external_key"])
            if columns["calendar_id"] != job.calendar_id:
                refuse_foreign_calendar(tenant, columns["calendar_id"])
            if {"user_id", "legacy_user_id"} & set(changes):
                columns |= user_ids(tenant, columns, changes)
            different = [name for name, value in columns.items() if getattr(job, name) != value]
            if new_payload := admitted.payload != before.payload:
                job.content_version += 1
                content_put(job_id=job.id, version=job.content_version, content=admitted.payload)
            event = None
            if admitted.rule is not None and placing.must_move(job, cursor, admitted.rule):
                detail = "The schedule was changed before this was dispatched."
                placing.account(job, cursor, until=now, detail=detail, counted=counted)
                placing.place(job, cursor, admitted.rule, now)
                event = SchedulerEvent.Type.JOB_SCHEDULED
            if different or new_payload or event:
                for name in different:
                    setattr(job, name, columns[name])
                if new_payload or "target" in different:
                    end_cool_off(job, cursor, now=now, forget=True)
                with one_per_platform():
                    save(job, cursor, [*different, "content_version"])
                announce(job, "job.update", actor=actor, reason=reason, event=event, before=was)
    return job


def job_pause(
    *, tenant: Tenant, job_id: int, reason: str = "", actor: str, expected_version: int | None = None
) -> Job:
    """Stop the schedule; executions that exist go on, and the job can still be triggered by hand.

    Pausing a paused job renews the reason. Raises JobNotFound, JobRefused, VersionConflict.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant), transaction.atomic():
        job, cursor = locked(tenant, job_id, expected_version)
        if job.switch == Switch.PAUSED and job.pause_reason == reason:
            return job
        was, was_active = state_of(job), job.switch == Switch.ACTIVE
        job.pause_reason = reason
        if was_active:
            job.switch = Switch.PAUSED
            job.paused_at = database_now()
            cursor.paused_from, cursor.next_run_at = cursor.next_run_at or cursor.paused_from, None
        save(job, cursor, ["switch", "pause_reason", "paused_at"])
        event = SchedulerEvent.Type.JOB_CANCELLED if was_active else None
        announce(job, "job.pause", actor=actor, reason=reason, event=event, before=was)
    return job


def job_resume(
    *, tenant: Tenant, job_id: int, reason: str = "", actor: str, expected_version: int | None = None
) -> Job:
    """Go on with the first time after now; the times in between are one skip. Also ends a quarantine, and a cool-off.

    Of a job that only cools off the schedule stays where it is. Resuming a running job changes nothing. Raises
    JobNotFound, JobRefused (the schedule itself is broken), VersionConflict.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant):
        counted = placing.count_ahead(tenant, job_id)
        with transaction.atomic():
            job, cursor = locked(tenant, job_id, expected_version)
            was, now = state_of(job), database_now()
            cooled = end_cool_off(job, cursor, now=now, forget=True)
            if job.switch == Switch.PAUSED or cursor.quarantined_at is not None:
                detail = job.pause_reason or cursor.quarantine_reason
                placing.account(job, cursor, until=now, detail=detail, counted=counted)
                job.switch, job.pause_reason, job.paused_at = Switch.ACTIVE, "", None
                try:
                    placing.place(job, cursor, rule_of(job), now)
                except ValueError as error:  # ScheduleError is one
                    raise JobRefused({WHOLE_JOB: f"The schedule cannot be resumed: {error}"}) from error
            elif cooled is None:
                return job
            save(job, cursor, ["switch", "pause_reason", "paused_at"])
            event = SchedulerEvent.Type.JOB_SCHEDULED
            announce(job, "job.resume", actor=actor, reason=reason, event=event, before=was)
    return job


def job_delete(
    *, tenant: Tenant, job_id: int, actor: str, expected_version: int | None = None, reason: str = ""
) -> Job:
    """Take a job out of service; its row and history stay. Runs under a lease finish, runs that wait are cancelled.

    Raises JobNotFound, JobRefused, VersionConflict.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant):
        counted = placing.count_ahead(tenant, job_id)
        with transaction.atomic():
            job, cursor = locked(tenant, job_id, expected_version)
            was, now = state_of(job), database_now()
            detail = "The job was deleted before this was dispatched."
            placing.account(job, cursor, until=now, detail=detail, counted=counted)
            cursor.next_run_at = cursor.paused_from = None
            job.deleted_at = now
            with connection.cursor() as sql:
                cancelled = cancel_waiting(
                    sql,
                    tenant_id=tenant.pk,
                    job_id=job.id,
                    reason=SkipReason.EDITED,
                    sentence="Cancelled: the job was deleted before this ran.",
                )
            save(job, cursor, ["deleted_at"])
            announce(
                job,
                "job.delete",
                actor=actor,
                reason=reason,
                event=SchedulerEvent.Type.JOB_CANCELLED,
                before=was,
                cancelled=cancelled,
            )
    return job


def job_trigger(*, tenant: Tenant, job_id: int, actor: str, reason: str = "") -> int:
    """Run the job once, now, beside its schedule, paused or not; the id of the execution.

    Raises JobNotFound, JobRefused, QuotaExceeded.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant), transaction.atomic():
        job, _ = locked(tenant, job_id, None)
        request_executions(tenant, 1)
        execution_id = execution_trigger(job=job)
        announce(
            job,
            "job.trigger",
            actor=actor,
            reason=reason,
            event=None,
            before=state_of(job),
            execution_id=execution_id,
        )
    return execution_id
