"""The dispatcher on a real leader's session: what is due gets exactly one outcome, whoever else is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import transaction

from apps.executions.models import Execution, Skip, TenantTotals
from apps.jobs import services
from apps.jobs.cycles import LINE_EVERY, TenantJournal
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.planning import MAX_TICKS
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession, TermLost
from apps.leadership.steps import StepResult
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.dispatching import settle, skips_of, stand, ticks_of
from tests.leaders import UNHURRIED

MINUTELY = {"trigger_type": "cron", "cron_expression": "* * * * *"}
Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


@pytest.fixture
def everyone(live_db: str) -> Iterator[None]:
    """The view of all tenants, for the test's own queries."""
    with all_tenants_scope():
        yield


@pytest.fixture
def now(leader: LeaderSession) -> datetime:
    ((now,),) = leader.read("SELECT clock_timestamp()")
    return now


def minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


# -- every tick, once -------------------------------------------------------------------------------------------------


def test_three_days_without_a_leader_are_one_run_and_one_range(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = minute(now) - timedelta(days=3)
    job = stand(acme, due, **MINUTELY, misfire_grace_seconds=0)

    settle(Dispatcher(), leader)

    (ran,) = ticks_of(job)
    ((first, last, count, reason),) = skips_of(job)
    assert (first, reason) == (due, "misfire")
    assert last == ran - timedelta(minutes=1)
    assert count == (ran - due) // timedelta(minutes=1)
    cursor = Cursor.objects.get(job=job)
    assert (cursor.last_scheduled_for, cursor.next_run_at) == (ran, ran + timedelta(minutes=1))


def test_a_longer_absence_is_caught_up_in_bounded_steps(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = minute(now) - timedelta(minutes=MAX_TICKS + 500)
    job = stand(acme, due, **MINUTELY, misfire="skip", misfire_grace_seconds=0)

    results = settle(Dispatcher(), leader)

    assert results[0].counts["skipped"] == MAX_TICKS
    assert results[1].counts["skipped"] >= 500
    ranges = skips_of(job)
    assert ranges[0][2] == MAX_TICKS
    assert ranges[1][0] == ranges[0][1] + timedelta(minutes=1)
    assert ticks_of(job) == []


def test_seconds_that_were_late_run_each_where_overlap_is_allowed(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = now - timedelta(seconds=5)
    job = stand(
        acme,
        due,
        trigger_type="interval",
        interval_seconds=1,
        anchor_at=due,
        overlap="allow",
        misfire_grace_seconds=60,
    )

    settle(Dispatcher(), leader)

    ran = ticks_of(job)
    assert ran[:6] == [due + timedelta(seconds=n) for n in range(6)]
    assert skips_of(job) == []
    assert Cursor.objects.get(job=job).next_run_at == ran[-1] + timedelta(seconds=1)


def test_seconds_that_were_late_run_once_where_overlap_is_not(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = now - timedelta(seconds=5)
    job = stand(
        acme, due, trigger_type="interval", interval_seconds=1, anchor_at=due, misfire_grace_seconds=60
    )

    settle(Dispatcher(), leader)

    assert ticks_of(job) == [due]
    ((first, last, count, reason),) = skips_of(job)
    assert (first, reason) == (due + timedelta(seconds=1), "overlap")
    assert count == (last - first) // timedelta(seconds=1) + 1
    assert Cursor.objects.get(job=job).next_run_at == last + timedelta(seconds=1)


def test_a_tick_is_skipped_while_an_execution_is_live_and_runs_when_it_is_gone(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    hour = timedelta(hours=1)
    job = stand(acme, now - 3 * hour, misfire_grace_seconds=7200 + 60)

    def dispatch_only(tick: datetime) -> None:
        """As if the clock stood at that tick: the next one is a year away."""
        Job.objects.filter(pk=job.pk).update(interval_seconds=365 * 86_400, anchor_at=tick)
        Cursor.objects.filter(job=job).update(next_run_at=tick)
        Dispatcher().run_once(leader)

    dispatch_only(now - 3 * hour)
    dispatch_only(now - 2 * hour)
    assert ticks_of(job) == [now - 3 * hour]
    assert skips_of(job) == [(now - 2 * hour, now - 2 * hour, 1, "overlap")]
    Execution.objects.filter(job_id=job.pk).delete()
    dispatch_only(now - hour)

    assert ticks_of(job) == [now - hour]
    assert len(skips_of(job)) == 1


def test_what_a_worker_needs_is_copied_onto_the_execution(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    copied = {
        "name": "nightly",
        "user_id": "u-7",
        "legacy_user_id": 7,
        "task_type": "report",
        "target": "tests.noop",
        "priority": 5,
        "content_version": 3,
        "timeout_seconds": 42,
        "max_attempts": 4,
        "retry_delay_seconds": 9,
        "retry_max_delay_seconds": 90,
    }
    job = stand(acme, now, trigger_type="date", run_date=now, cron_expression="", **copied)

    settle(Dispatcher(), leader)

    execution = Execution.objects.get(job_id=job.pk)
    for name, value in copied.items():
        assert getattr(execution, "job_name" if name == "name" else name) == value
    assert (execution.tenant_id, execution.kind, execution.epoch) == (acme.pk, "scheduled", leader.epoch)
    assert (execution.scheduled_for, execution.run_at, execution.state) == (now, now, "pending")
    assert Cursor.objects.get(job=job).next_run_at is None


def test_more_jobs_than_a_chunk_are_dispatched_in_several(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    jobs = [stand(acme, now - timedelta(seconds=n)) for n in range(7)]

    results = settle(Dispatcher(chunk=3), leader)

    assert [result.counts["fired"] for result in results] == [3, 3, 1]
    assert Execution.objects.values("job_id").distinct().count() == len(jobs)


def test_the_ticks_of_a_suspended_tenant_are_skipped(
    acme: Any, bravo: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    quiet, busy = stand(acme, minute(now), overlap="allow"), stand(bravo, minute(now), overlap="allow")
    type(acme).objects.filter(pk=acme.pk).update(status="suspended")

    settle(Dispatcher(), leader)

    assert ticks_of(quiet) == []
    (skip,) = Skip.objects.filter(job_id=quiet.pk)
    assert (skip.reason, skip.detail, skip.epoch) == ("paused", "The tenant is suspended.", leader.epoch)
    assert ticks_of(busy) == [minute(now)]


# -- others at work ---------------------------------------------------------------------------------------------------


class Interrupted:
    """A leader's session in which something happens between the read and what is written because of it."""

    def __init__(self, session: LeaderSession, happens: Callable[[], object]) -> None:
        self.session = session
        self.happens: list[Callable[[], object]] = [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        rows = self.session.read(*args, **kwargs)
        while self.happens:
            self.happens.pop()()
        return rows


def test_two_dispatchers_with_the_same_due_jobs_dispatch_each_once(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    jobs = [stand(acme, minute(now)) for _ in range(5)]
    other: list[StepResult] = []
    interrupted: Any = Interrupted(leader, lambda: other.append(Dispatcher().run_once(leader)))

    late = Dispatcher().run_once(interrupted)

    assert other[0].counts["fired"] == 5
    assert (late.counts["fired"], late.counts["skipped"], late.counts["lost"]) == (0, 0, 5)
    assert late.again
    assert [ticks_of(job) for job in jobs] == [[minute(now)]] * 5
    assert TenantTotals.objects.get(tenant=acme).tasks_found == 5


def test_a_tick_cannot_be_enqueued_twice_even_from_a_cursor_that_forgot_it(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    job = stand(acme, minute(now), overlap="allow")
    dispatcher = Dispatcher()
    settle(dispatcher, leader)
    Cursor.objects.filter(job=job).update(next_run_at=minute(now), last_scheduled_for=None)

    settle(dispatcher, leader)

    assert ticks_of(job).count(minute(now)) == 1


def test_a_cursor_set_back_is_taken_past_what_has_an_outcome(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    job = stand(acme, now - timedelta(hours=5))
    Cursor.objects.filter(job=job).update(last_scheduled_for=now + timedelta(hours=2))

    settle(Dispatcher(), leader)

    assert (ticks_of(job), skips_of(job)) == ([], [])
    assert Cursor.objects.get(job=job).next_run_at == now + timedelta(hours=3)


def test_an_edit_under_way_in_another_session_wins_over_what_was_read(
    acme: Any, leader: LeaderSession, now: datetime
) -> None:
    """The dispatcher reads the old schedule, finds the row held by the edit, and leaves the job for later."""
    spec = JobSpec(
        name="edited", trigger=TriggerSpec.cron("* * * * *"), payload={"url": "https://example.com/"}
    )
    job = services.job_create(tenant=acme, spec=spec, actor="tests")
    overdue = minute(now)
    with all_tenants_scope():
        Cursor.objects.filter(job=job).update(next_run_at=overdue)
    other = services.job_create(tenant=acme, spec=replace(spec, name="another"), actor="tests")
    with all_tenants_scope():
        Cursor.objects.filter(job=other).update(next_run_at=overdue)
    dispatcher = Dispatcher()
    with transaction.atomic():
        services.job_update(
            tenant=acme, job_id=job.pk, changes={"cron_expression": "0 5 1 1 *"}, actor="tests"
        )
        result = dispatcher.run_once(leader)
    assert (result.counts["fired"], result.counts["busy"], result.again) == (1, 1, False)
    assert result.wake_in is not None
    assert result.wake_in <= 0.05
    with all_tenants_scope():
        assert ticks_of(other) == [overdue]
    with all_tenants_scope():
        assert ticks_of(job) == []
        assert [reason for *_, reason in skips_of(job)] == ["edited"]
        settle(dispatcher, leader)
        following = Cursor.objects.get(job=job).next_run_at
    assert following is not None
    assert (following.month, following.day, following.hour) == (1, 1, 5)


def test_a_pause_between_read_and_write_leaves_the_tick_to_the_resume(
    acme: Any, leader: LeaderSession, now: datetime
) -> None:
    spec = JobSpec(
        name="paused", trigger=TriggerSpec.cron("* * * * *"), payload={"url": "https://example.com/"}
    )
    job = services.job_create(tenant=acme, spec=spec, actor="tests")
    overdue = minute(now)
    with all_tenants_scope():
        Cursor.objects.filter(job=job).update(next_run_at=overdue)
    paused: Any = Interrupted(
        leader, lambda: services.job_pause(tenant=acme, job_id=job.pk, reason="holiday", actor="tests")
    )

    assert Dispatcher().run_once(paused).counts["lost"] == 1

    services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    with all_tenants_scope():
        assert ticks_of(job) == []
        ((first, _, count, reason),) = skips_of(job)
        following = Cursor.objects.get(job=job).next_run_at
    assert (first, reason) == (overdue, "paused")
    assert following == overdue + count * timedelta(minutes=1)


def test_a_cursor_left_due_by_a_job_that_is_off_is_parked(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    job = stand(acme, minute(now), switch="paused")

    results = settle(Dispatcher(), leader)

    assert results[0].counts["fired"] == 0
    cursor = Cursor.objects.get(job=job)
    assert (cursor.next_run_at, cursor.paused_from) == (None, minute(now))


def test_a_term_that_is_over_writes_nothing(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    job = stand(acme, minute(now))

    def end_the_term() -> None:
        with machine.connect(application_name="usurper") as usurper:
            usurper.execute("UPDATE leadership_leaderterm SET ended_at = clock_timestamp()")

    ended: Any = Interrupted(leader, end_the_term)
    with pytest.raises(TermLost):
        Dispatcher().run_once(ended)

    assert (ticks_of(job), skips_of(job)) == ([], [])
    assert Cursor.objects.get(job=job).next_run_at == minute(now)
    assert not TenantTotals.objects.exists()


# -- one bad job ------------------------------------------------------------------------------------------------------


def test_a_schedule_that_cannot_be_worked_out_is_quarantined_and_the_others_go_on(
    acme: Any, bravo: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = minute(now)
    nowhere = stand(acme, due, **MINUTELY, timezone="Mars/Olympus")
    hollow = stand(acme, due, trigger_type="interval", interval_seconds=None)
    sound = stand(bravo, due)

    results = settle(Dispatcher(), leader)

    assert results[0].counts["quarantined"] == 2
    assert ticks_of(sound) == [due]
    for job, words in ((nowhere, "Mars/Olympus"), (hollow, "cannot be worked out")):
        cursor = Cursor.objects.get(job=job)
        assert cursor.quarantined_at is not None
        assert words in cursor.quarantine_reason
        assert (cursor.next_run_at, cursor.paused_from) == (None, due)
        event = SchedulerEvent.objects.get(job_id=job.pk)
        assert (event.event_type, event.tenant_id) == ("job_failed", acme.pk)
        assert event.error_message == cursor.quarantine_reason


def test_a_row_that_the_database_refuses_is_found_and_the_others_are_written(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    due = minute(now)
    jobs = [stand(acme, due) for _ in range(9)]
    refused = jobs[4]
    with machine.connect(application_name="schema change") as owner:
        owner.execute(
            psycopg.sql.SQL(
                "ALTER TABLE executions_execution ADD CONSTRAINT refuses CHECK (job_id <> {})"
            ).format(refused.pk)
        )
        try:
            results = settle(Dispatcher(), leader)
        finally:
            owner.execute("ALTER TABLE executions_execution DROP CONSTRAINT refuses")

    assert sum(result.counts["fired"] for result in results) == 8
    assert sum(result.counts["quarantined"] for result in results) == 1
    assert all(ticks_of(job) == [due] for job in jobs if job != refused)
    assert "23514" in Cursor.objects.get(job=refused).quarantine_reason
    assert TenantTotals.objects.get(tenant=acme).tasks_found == 8


# -- what is told -----------------------------------------------------------------------------------------------------


def cycles_of(tenant: Any) -> list[SchedulerEvent]:
    return list(SchedulerEvent.objects.filter(tenant=tenant, event_type="check_cycle").order_by("id"))


def test_a_check_cycle_persists_its_event_and_moves_the_cumulative_totals(
    acme: Any, bravo: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    stand(
        acme, now - timedelta(seconds=150), interval_seconds=60, task_type="report", misfire_grace_seconds=0
    )
    stand(acme, minute(now), task_type="ping")

    Dispatcher().run_once(leader)

    totals = TenantTotals.objects.get(tenant=acme)
    assert (totals.check_cycles, totals.tasks_found, totals.tasks_skipped) == (1, 4, 2)
    assert (totals.term_epoch, totals.term_checks, totals.term_found) == (leader.epoch, 1, 4)
    assert totals.last_check_at is not None
    assert totals.last_check_at >= now
    (event,) = cycles_of(acme)
    assert (event.check_cycle_number, event.tasks_found, event.epoch) == (1, 4, leader.epoch)
    assert event.tasks_by_type == {"report": 3, "ping": 1}
    assert event.event_data == {"tasks_skipped": 2}
    assert cycles_of(bravo) == []
    assert not TenantTotals.objects.filter(tenant=bravo).exists()


def test_a_tenant_gets_a_line_a_minute_that_counts_what_came_since_the_last(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    clock = [1000.0]
    dispatcher = Dispatcher()
    dispatcher.journal = TenantJournal(clock=lambda: clock[0])

    def work(count: int) -> None:
        for _ in range(count):
            stand(acme, minute(now))
        dispatcher.run_once(leader)

    def a_minute_passes() -> None:
        clock[0] += LINE_EVERY
        SchedulerEvent.objects.update(event_date=now - timedelta(minutes=2))

    work(1)
    work(2)
    work(3)
    assert [event.tasks_found for event in cycles_of(acme)] == [1]
    assert TenantTotals.objects.get(tenant=acme).tasks_found == 6
    assert (dispatcher.run_once(leader).wake_in or 0) <= LINE_EVERY
    a_minute_passes()
    work(4)
    assert [event.tasks_found for event in cycles_of(acme)] == [1, 9]
    work(5)
    a_minute_passes()
    dispatcher.run_once(leader)  # nothing is due, but there is something to tell
    assert [event.tasks_found for event in cycles_of(acme)] == [1, 9, 5]
    assert [event.check_cycle_number for event in cycles_of(acme)] == [1, 4, 5]
    a_minute_passes()
    dispatcher.run_once(leader)
    assert len(cycles_of(acme)) == 3


def test_a_new_leader_keeps_to_the_minute_and_starts_the_terms_figures_anew(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    stand(acme, minute(now))
    Dispatcher().run_once(leader)
    leader.close(reason="handing over")
    successor = LeaderSession.acquire(replica="successor", timings=UNHURRIED)
    stand(acme, minute(now))

    Dispatcher().run_once(successor)

    successor.close(reason="test over")
    totals = TenantTotals.objects.get(tenant=acme)
    assert (totals.check_cycles, totals.tasks_found) == (2, 2)
    assert (totals.term_epoch, totals.term_checks, totals.term_found) == (successor.epoch, 1, 1)
    assert len(cycles_of(acme)) == 1


def test_it_says_when_the_next_job_is_due(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    stand(acme, now + timedelta(seconds=30))
    idle = Dispatcher().run_once(leader)
    assert idle.wake_in is not None
    assert 25 < idle.wake_in <= 30

    stand(acme, now, trigger_type="interval", interval_seconds=10, anchor_at=now)
    busy = Dispatcher().run_once(leader)
    assert busy.wake_in is not None
    assert 5 < busy.wake_in <= 10
    assert not busy.again


def test_workers_are_woken_once_and_only_by_executions(
    acme: Any, leader: LeaderSession, everyone: None, now: datetime
) -> None:
    with machine.connect(application_name="worker") as worker:
        worker.execute("LISTEN scheduler_work")
        stand(acme, now - timedelta(minutes=10), misfire="skip")
        Dispatcher().run_once(leader)
        assert list(worker.notifies(timeout=0.1)) == []
        for _ in range(3):
            stand(acme, minute(now))
        Dispatcher().run_once(leader)
        assert len(list(worker.notifies(timeout=5, stop_after=1))) == 1
        assert list(worker.notifies(timeout=0.1)) == []
