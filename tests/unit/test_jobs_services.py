"""Each change to a job: the job, its cursor, its content, the ledger, the journal, the audit trail, and the wake-up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.executions.models import Delta, Execution, ExecutionLog, Skip
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import JobNotFound, JobRefused, JobSpec, TriggerSpec, VersionConflict
from apps.leadership.models import SchedulerEvent
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Plan, UserIdentity
from apps.vault.models import JobContent
from apps.vault.services import content_get
from tests.legacy import ledger_row

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _inside(acme: Any) -> Iterator[None]:
    with tenant_scope(acme):
        yield


def make(tenant: Any, **fields: Any) -> Job:
    fields.setdefault("name", "report")
    fields.setdefault("trigger", TriggerSpec.cron("* * * * *"))
    return services.job_create(tenant=tenant, spec=JobSpec(**fields), actor="alice")


def stand_at(job: Job, instant: datetime | None, **columns: Any) -> None:
    """As if nobody had dispatched the job since `instant`."""
    Cursor.objects.filter(job_id=job.id).update(next_run_at=instant, **columns)


def cursor_of(job: Job) -> Cursor:
    return Cursor.objects.get(job_id=job.id)


def whole_minute(ago: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - ago * MINUTE


def assert_spans(skip: Skip, first: datetime) -> None:
    """Every minute from `first` to now, whichever minute it was when that was decided."""
    assert skip.first == first
    assert whole_minute(1) <= skip.last <= whole_minute(0)
    assert skip.count == (skip.last - first) // MINUTE + 1


def live(job: Job, **columns: Any) -> Execution:
    values: dict[str, Any] = {
        "tenant_id": job.tenant_id,
        "job_id": job.id,
        "job_name": job.name,
        "user_id": job.user_id,
        "kind": "scheduled",
        "scheduled_for": whole_minute(1),
        "run_at": whole_minute(1),
        "task_type": job.task_type,
        "target": job.target,
        "content_version": 1,
        "timeout_seconds": 60,
        "max_attempts": 3,
        "retry_delay_seconds": 1,
        "retry_max_delay_seconds": 1,
        "epoch": 1,
    }
    return Execution.objects.create(**{**values, **columns})


# -- create ---------------------------------------------------------------------------------------------------------


def test_a_new_job_is_whole(acme: Any) -> None:
    before = datetime.now(UTC)
    job = make(acme, payload={"json": {"a": 1}}, user_id="bob")
    assert (job.version, job.content_version, job.switch) == (1, 1, "active")
    due = cursor_of(job).next_run_at
    assert due is not None
    assert before < due <= datetime.now(UTC) + MINUTE
    assert content_get(job_id=job.id, version=1) == {"json": {"a": 1}}
    event = SchedulerEvent.objects.get(job_id=job.id)
    assert (event.event_type, event.job_type, event.user_id) == ("job_scheduled", "http_request", "bob")
    entry = AuditEntry.objects.get(object_type="job", object_id=str(job.id))
    assert (entry.actor, entry.action, entry.tenant_id) == ("alice", "job.create", acme.pk)


def test_both_forms_of_the_owner_are_filled_from_either(acme: Any) -> None:
    UserIdentity.objects.create(tenant=acme, legacy_user_id=41, user_id="user_41")
    for given in ({"user_id": "user_41"}, {"user_id": "41"}, {"legacy_user_id": 41}):
        job = make(acme, **given)
        assert (job.user_id, job.legacy_user_id) == ("user_41", 41)
    stranger = make(acme, legacy_user_id=77)
    assert (stranger.user_id, stranger.legacy_user_id) == ("77", 77)


def test_manual_jobs_are_never_due(acme: Any) -> None:
    assert cursor_of(make(acme, trigger=TriggerSpec.manual())).next_run_at is None


def test_no_more_jobs_than_the_plan_allows(acme: Any) -> None:
    with all_tenants_scope():
        Plan.objects.filter(pk=acme.plan_id).update(max_jobs=1)
    first = make(acme)
    with pytest.raises(JobRefused, match="Your plan allows 1 jobs and you have 1"):
        make(acme)
    services.job_delete(tenant=acme, job_id=first.id, actor="alice")
    assert make(acme).id != first.id


def test_an_external_key_names_one_live_job(acme: Any, bravo: Any) -> None:
    first, other = make(acme, external_key="k"), make(acme)
    with pytest.raises(JobRefused) as caught:
        make(acme, external_key="k")
    assert list(caught.value.errors) == ["external_key"]
    with pytest.raises(JobRefused):
        services.job_update(tenant=acme, job_id=other.id, changes={"external_key": "k"}, actor="alice")
    make(bravo, external_key="k")
    services.job_delete(tenant=acme, job_id=first.id, actor="alice")
    make(acme, external_key="k")


def test_a_refused_job_leaves_nothing(acme: Any) -> None:
    with pytest.raises(JobRefused):
        make(acme, name="")
    assert not Job.objects.exists()
    assert not JobContent.objects.exists()
    assert not AuditEntry.objects.filter(action="job.create").exists()


# -- update ---------------------------------------------------------------------------------------------------------


def test_a_new_payload_is_a_new_version_of_the_content(acme: Any) -> None:
    job = make(acme, payload={"json": 1})
    due = cursor_of(job).next_run_at
    job = services.job_update(tenant=acme, job_id=job.id, changes={"payload": {"json": 2}}, actor="alice")
    assert (job.version, job.content_version) == (2, 2)
    assert content_get(job_id=job.id, version=1) == {"json": 1}  # executions that exist still need it
    assert content_get(job_id=job.id, version=2) == {"json": 2}
    assert cursor_of(job).next_run_at == due
    assert AuditEntry.objects.get(action="job.update").data == {
        "version": 2,
        "before": {"content_version": 1},
        "after": {"content_version": 2},
    }


def test_changing_nothing_changes_nothing(acme: Any) -> None:
    job = make(acme, payload={"json": 1})
    same = {"name": "report", "cron_expression": " * * * *   *", "payload": {"json": 1}}
    assert services.job_update(tenant=acme, job_id=job.id, changes=same, actor="alice").version == 1
    assert not AuditEntry.objects.filter(action="job.update").exists()


def test_an_old_version_is_refused(acme: Any) -> None:
    job = make(acme)
    services.job_update(tenant=acme, job_id=job.id, changes={"name": "b"}, actor="alice", expected_version=1)
    with pytest.raises(VersionConflict):
        services.job_update(
            tenant=acme, job_id=job.id, changes={"name": "c"}, actor="alice", expected_version=1
        )
    with pytest.raises(VersionConflict):
        services.job_delete(tenant=acme, job_id=job.id, actor="alice", expected_version=1)
    assert Job.objects.get(id=job.id).name == "b"


def test_a_new_schedule_accounts_for_what_the_old_one_left(acme: Any) -> None:
    job = make(acme)
    start = whole_minute(3)
    stand_at(job, start)
    services.job_update(tenant=acme, job_id=job.id, changes={"cron_expression": "0 3 * * *"}, actor="alice")
    skip = Skip.objects.get(job_id=job.id)
    assert skip.reason == "edited"
    assert_spans(skip, start)
    cursor = cursor_of(job)
    assert cursor.next_run_at is not None
    assert (cursor.next_run_at.hour, cursor.next_run_at.minute) == (3, 0)
    assert cursor.last_scheduled_for == skip.last
    assert SchedulerEvent.objects.filter(job_id=job.id, event_type="job_scheduled").count() == 2


def test_another_name_leaves_the_cursor_alone_however_late_it_is(acme: Any) -> None:
    job = make(acme)
    late = whole_minute(3)
    stand_at(job, late)
    services.job_update(tenant=acme, job_id=job.id, changes={"name": "b"}, actor="alice")
    assert cursor_of(job).next_run_at == late
    assert not Skip.objects.exists()


def test_a_cursor_never_moves_back_over_an_outcome(acme: Any) -> None:
    job = make(acme)
    ahead = whole_minute(-30)  # the clock was set back, say
    stand_at(job, ahead + MINUTE, last_scheduled_for=ahead)
    services.job_update(tenant=acme, job_id=job.id, changes={"cron_expression": "*/2 * * * *"}, actor="alice")
    due = cursor_of(job).next_run_at
    assert due is not None
    assert due > ahead


def test_a_new_schedule_ends_a_quarantine(acme: Any) -> None:
    job = make(acme)
    Job.objects.filter(id=job.id).update(timezone="Gone/Away")
    start = whole_minute(5)
    stand_at(
        job,
        None,
        paused_from=start,
        quarantined_at=start,
        quarantine_reason="no such zone",
    )
    services.job_update(tenant=acme, job_id=job.id, changes={"timezone": "UTC"}, actor="alice")
    cursor = cursor_of(job)
    assert (cursor.quarantined_at, cursor.quarantine_reason, cursor.paused_from) == (None, "", None)
    assert cursor.next_run_at is not None
    # The broken rule names no times; the one at which it stopped is accounted for.
    skip = Skip.objects.get(job_id=job.id)
    assert (skip.first, skip.count) == (start, 1)


# -- pause and resume -----------------------------------------------------------------------------------------------


def test_a_pause_becomes_one_skip(acme: Any) -> None:
    job = make(acme)
    services.job_pause(tenant=acme, job_id=job.id, reason="the receiver moves house", actor="alice")
    cursor = cursor_of(job)
    assert cursor.next_run_at is None
    assert cursor.paused_from is not None
    paused = Job.objects.get(id=job.id)
    assert (paused.switch, paused.pause_reason, paused.version) == ("paused", "the receiver moves house", 2)
    start = whole_minute(10)
    stand_at(job, None, paused_from=start)

    job = services.job_resume(tenant=acme, job_id=job.id, actor="alice")
    skip = Skip.objects.get(job_id=job.id)
    assert skip.reason == "paused"
    assert_spans(skip, start)
    assert skip.detail == "the receiver moves house"
    cursor = cursor_of(job)
    assert cursor.paused_from is None
    assert cursor.next_run_at is not None
    assert cursor.next_run_at == skip.last + MINUTE
    assert (job.switch, job.pause_reason, job.paused_at) == ("active", "", None)
    kinds = SchedulerEvent.objects.filter(job_id=job.id).order_by("id").values_list("event_type", flat=True)
    assert list(kinds) == ["job_scheduled", "job_cancelled", "job_scheduled"]


def test_a_pause_without_a_missed_time_is_no_skip(acme: Any) -> None:
    job = make(acme, trigger=TriggerSpec.cron("0 0 1 1 *"))
    due = cursor_of(job).next_run_at
    services.job_pause(tenant=acme, job_id=job.id, actor="alice")
    services.job_resume(tenant=acme, job_id=job.id, actor="alice")
    assert cursor_of(job).next_run_at == due
    assert not Skip.objects.exists()


def test_pausing_and_resuming_twice_changes_nothing_more(acme: Any) -> None:
    job = make(acme)
    for _ in range(2):
        assert services.job_pause(tenant=acme, job_id=job.id, reason="x", actor="alice").version == 2
    kept = cursor_of(job).paused_from
    assert services.job_pause(tenant=acme, job_id=job.id, reason="y", actor="alice").pause_reason == "y"
    assert cursor_of(job).paused_from == kept
    for _ in range(2):
        assert services.job_resume(tenant=acme, job_id=job.id, actor="alice").version == 4


def test_an_edit_of_a_paused_job_waits_for_its_resume(acme: Any) -> None:
    job = make(acme)
    services.job_pause(tenant=acme, job_id=job.id, actor="alice")
    start = whole_minute(2)
    stand_at(job, None, paused_from=start)
    services.job_update(tenant=acme, job_id=job.id, changes={"cron_expression": "0 3 * * *"}, actor="alice")
    cursor = cursor_of(job)
    assert cursor.next_run_at is None
    assert cursor.paused_from is not None
    assert cursor.paused_from > datetime.now(UTC)
    skip = Skip.objects.get(job_id=job.id)
    assert skip.reason == "paused"
    assert_spans(skip, start)
    services.job_resume(tenant=acme, job_id=job.id, actor="alice")
    assert cursor_of(job).next_run_at == cursor.paused_from
    assert Skip.objects.count() == 1


def test_a_date_that_passes_during_a_pause_is_over(acme: Any) -> None:
    job = make(acme, trigger=TriggerSpec.once(datetime.now(UTC) + timedelta(hours=1)))
    services.job_pause(tenant=acme, job_id=job.id, actor="alice")
    passed = whole_minute(5)
    Job.objects.filter(id=job.id).update(run_date=passed)
    stand_at(job, None, paused_from=passed)
    services.job_resume(tenant=acme, job_id=job.id, actor="alice")
    assert cursor_of(job).next_run_at is None
    assert Skip.objects.get(job_id=job.id).count == 1


def test_a_schedule_that_is_still_broken_is_not_resumed(acme: Any) -> None:
    job = make(acme)
    Job.objects.filter(id=job.id).update(timezone="Gone/Away")
    stand_at(
        job,
        None,
        paused_from=whole_minute(5),
        quarantined_at=whole_minute(5),
        quarantine_reason="no such zone",
    )
    with pytest.raises(JobRefused, match="cannot be resumed"):
        services.job_resume(tenant=acme, job_id=job.id, actor="alice")
    assert cursor_of(job).quarantined_at is not None
    assert not Skip.objects.exists()


# -- delete ---------------------------------------------------------------------------------------------------------


def test_a_deleted_job_leaves_nothing_unaccounted(acme: Any) -> None:
    job = make(acme, user_id="bob")
    now = whole_minute(0)
    stand_at(job, now)
    waiting = live(job, scheduled_for=now - 1 * MINUTE)
    retrying = live(job, scheduled_for=now - 2 * MINUTE, attempt=1)
    by_hand = live(job, kind="manual", scheduled_for=now - 3 * MINUTE)
    token = "00000000-0000-0000-0000-000000000001"
    running = live(job, scheduled_for=now - 4 * MINUTE, state="leased", lease_token=token)

    services.job_delete(tenant=acme, job_id=job.id, reason="done with it", actor="alice")

    assert list(Execution.objects.values_list("id", flat=True)) == [running.pk]
    cancelled, due = Skip.objects.filter(job_id=job.id).order_by("first")
    assert (cancelled.first, cancelled.last, cancelled.count) == (now - MINUTE, now - MINUTE, 1)
    assert_spans(due, now)
    logs = ExecutionLog.objects.filter(job_id=job.id)
    assert {log.pk for log in logs} == {retrying.pk, by_hand.pk}
    assert {log.status for log in logs} == {"failed"}
    assert sum(delta.n for delta in Delta.objects.filter(user_key="bob", status="failed")) == 2
    cursor = cursor_of(job)
    assert (cursor.next_run_at, cursor.paused_from) == (None, None)
    entry = AuditEntry.objects.get(action="job.delete")
    assert entry.reason == "done with it"
    assert entry.data["cancelled"] == sorted([waiting.pk, retrying.pk, by_hand.pk])
    assert SchedulerEvent.objects.filter(job_id=job.id, event_type="job_cancelled").count() == 1


def test_a_tick_that_has_ended_and_waits_again_keeps_no_job_from_being_deleted(acme: Any) -> None:
    """Somebody set its cursor back, and the second run has been tried once."""
    job = make(acme)
    tick = whole_minute(5)
    again = live(job, scheduled_for=tick, attempt=1)
    ended = ledger_row(acme, "bob", None, job_id=job.id, kind="scheduled", scheduled_for=tick)
    ended.save(force_insert=True)

    services.job_delete(tenant=acme, job_id=job.id, actor="alice")

    assert not Execution.objects.filter(pk=again.pk).exists()
    (log,) = ExecutionLog.objects.filter(job_id=job.id)
    assert (log.pk, log.status) == (ended.pk, "success")
    assert not Delta.objects.filter(status="failed").exists()


def test_a_deleted_job_is_gone_for_every_service(acme: Any) -> None:
    job = make(acme)
    services.job_delete(tenant=acme, job_id=job.id, actor="alice")
    calls: list[Any] = [
        lambda: services.job_update(tenant=acme, job_id=job.id, changes={"name": "b"}, actor="alice"),
        lambda: services.job_pause(tenant=acme, job_id=job.id, actor="alice"),
        lambda: services.job_resume(tenant=acme, job_id=job.id, actor="alice"),
        lambda: services.job_trigger(tenant=acme, job_id=job.id, actor="alice"),
        lambda: services.job_delete(tenant=acme, job_id=job.id, actor="alice"),
    ]
    for call in calls:
        with pytest.raises(JobNotFound):
            call()


def test_another_tenants_job_does_not_exist(acme: Any, bravo: Any) -> None:
    job = make(acme)
    for service in (services.job_pause, services.job_resume, services.job_delete, services.job_trigger):
        with pytest.raises(JobNotFound):
            service(tenant=bravo, job_id=job.id, actor="charlie")  # type: ignore[operator]
    assert Job.objects.get(id=job.id).version == 1


# -- trigger --------------------------------------------------------------------------------------------------------


def test_a_job_runs_by_hand_beside_its_schedule_even_while_paused(acme: Any) -> None:
    job = make(acme, user_id="bob")
    services.job_pause(tenant=acme, job_id=job.id, actor="alice")
    execution_id = services.job_trigger(tenant=acme, job_id=job.id, actor="alice", reason="to see it work")
    row = Execution.objects.get(id=execution_id)
    assert (row.kind, row.state, row.user_id, row.content_version) == ("manual", "pending", "bob", 1)
    entry = AuditEntry.objects.get(action="job.trigger")
    assert (entry.reason, entry.data["execution_id"]) == ("to see it work", execution_id)
    assert Job.objects.get(id=job.id).version == 2  # that of the pause
