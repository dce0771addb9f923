"""410 Gone: the scheduler switches the job off, as a person would pause it, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import transaction

from apps.executions.models import OutcomeNote, Skip
from apps.jobs import selectors, services
from apps.jobs.interventions import intervention_summary, intervention_tasks
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.jobs.states import ENDPOINT_GONE
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.leaders import UNHURRIED

SECOND = timedelta(seconds=1)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    with all_tenants_scope():
        yield session
    session.close(reason="test over")


@pytest.fixture
def job(acme: Any, leader: LeaderSession) -> Job:
    return services.job_create(
        tenant=acme,
        spec=JobSpec(
            name="a job",
            trigger=TriggerSpec(trigger_type="interval", interval_seconds=3600),
            target="http_request",
            payload={"method": "POST", "url": "https://shop.example/hook"},
            user_id="u-1",
        ),
        actor="tests",
    )


def note(job: Job, when: datetime, *, gone: int | None = None, status: str = "failed") -> None:
    OutcomeNote.objects.create(
        tenant_id=job.tenant_id,
        job_id=job.pk,
        execution_id=1,
        status=status,
        error_message="the server answered 410, expected 200 to 299" if status == "failed" else None,
        finished_at=when,
        successes=int(status == "success"),
        failures=int(status == "failed"),
        trailing_failures=int(status == "failed"),
        gone_version=gone,
    )


def fold(leader: LeaderSession) -> int:
    return OutcomeFold().run_once(leader).counts["jobs_paused"]


def stored(job: Job) -> Any:
    return selectors.job_of(job.tenant, job.pk)


def test_the_job_is_paused_and_everybody_is_told(leader: LeaderSession, job: Job) -> None:
    due = Cursor.objects.get(job=job).next_run_at
    note(job, database_now(), gone=1)

    assert fold(leader) == 1

    found = stored(job)
    assert (found.switch, found.pause_reason, found.status) == ("paused", ENDPOINT_GONE, "paused")
    assert found.paused_at is not None
    assert (found.cursor.next_run_at, found.cursor.paused_from) == (None, due)
    assert found.version == found.cursor.version == job.version + 1
    line = SchedulerEvent.objects.get(event_type="job_cancelled")
    assert (line.job_id, line.user_id, line.epoch) == (job.pk, "u-1", leader.epoch)
    assert line.event_data == {"job_name": "a job", "action": "job.pause", "reason": ENDPOINT_GONE}
    entry = AuditEntry.objects.get(action="job.pause")
    assert (entry.actor, entry.tenant_id, entry.object_type) == ("scheduler", job.tenant_id, "job")
    assert (entry.object_id, entry.reason) == (str(job.pk), ENDPOINT_GONE)
    assert due is not None
    assert datetime.fromisoformat(entry.data["before"].pop("next_run_at")) == due
    assert datetime.fromisoformat(entry.data["after"].pop("paused_at")) == found.paused_at
    assert entry.data == {
        "version": found.version,
        "epoch": leader.epoch,
        "before": {"switch": "active", "pause_reason": "", "paused_at": None},
        "after": {"switch": "paused", "pause_reason": ENDPOINT_GONE, "next_run_at": None},
    }
    (task,) = intervention_tasks(job.tenant, "u-1")
    assert (task["task_id"], task["status"]) == (job.pk, "paused")
    assert intervention_summary(job.tenant, "u-1")["critical_failures"] == 1


def test_a_resume_goes_on_and_accounts_for_the_time_between(leader: LeaderSession, job: Job) -> None:
    note(job, database_now(), gone=1)
    fold(leader)
    past = database_now() - timedelta(hours=2)
    Cursor.objects.filter(job=job).update(paused_from=past)
    services.job_resume(tenant=job.tenant, job_id=job.pk, actor="tests")
    assert (stored(job).switch, intervention_tasks(job.tenant, "u-1")) == ("active", [])
    assert (Skip.objects.get().reason, Skip.objects.get().detail) == ("paused", ENDPOINT_GONE)


def test_content_of_before_an_edit_is_not_the_jobs_any_more(leader: LeaderSession, job: Job) -> None:
    services.job_update(
        tenant=job.tenant,
        job_id=job.pk,
        changes={"payload": {"method": "POST", "url": "https://shop.example/new"}},
        actor="tests",
    )
    note(job, database_now(), gone=1)
    assert (fold(leader), stored(job).switch) == (0, "active")
    note(job, database_now(), gone=2)
    assert (fold(leader), stored(job).switch) == (1, "paused")


def test_an_edit_that_meets_the_fold(leader: LeaderSession, job: Job) -> None:
    note(job, database_now(), gone=1)
    with transaction.atomic():
        services.job_update(
            tenant=job.tenant,
            job_id=job.pk,
            changes={"payload": {"method": "POST", "url": "https://shop.example/new"}},
            actor="tests",
        )
        with pytest.raises(psycopg.errors.LockNotAvailable):
            OutcomeFold().run_once(leader)
    assert (fold(leader), stored(job).switch) == (0, "active")
    assert Cursor.objects.get(job=job).consecutive_failures == 1, "it failed all the same"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("success_after", "paused"), [(-1, 1), (1, 0)])
def test_a_success_since_says_that_it_is_there(
    leader: LeaderSession, job: Job, success_after: int, paused: int, together: bool
) -> None:
    now = database_now()
    note(job, now + success_after * SECOND, status="success")
    if not together:
        fold(leader)
    note(job, now, gone=1)
    assert fold(leader) == paused


def test_one_that_is_off_or_deleted_already_is_left_as_it_is(leader: LeaderSession, job: Job) -> None:
    services.job_pause(tenant=job.tenant, job_id=job.pk, reason="my own reason", actor="tests")
    note(job, database_now(), gone=1)
    assert (fold(leader), stored(job).pause_reason) == (0, "my own reason")
    services.job_resume(tenant=job.tenant, job_id=job.pk, actor="tests")
    services.job_delete(tenant=job.tenant, job_id=job.pk, actor="tests")
    note(job, database_now(), gone=1)
    assert fold(leader) == 0
    assert not AuditEntry.objects.filter(actor="scheduler").exists()
