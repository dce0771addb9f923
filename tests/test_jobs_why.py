"""What became of each nominal time: the answer to `jobs/{id}/why`, from rows and from the whole line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.jobs import services
from apps.jobs.dispatch import Dispatcher
from apps.jobs.fates import entries
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import CronRule, IntervalRule, Rule
from apps.jobs.specs import TriggerSpec
from apps.jobs.standing import Fate, Standing
from apps.leadership.session import LeaderSession
from apps.tenants.context import tenant_scope
from tests.contract.client import MemberClient
from tests.factories import make_job
from tests.leaders import UNHURRIED

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86_400))
SECONDLY = IntervalRule(1, MIDNIGHT - 400 * DAY)
HOURLY = CronRule("0 * * * *", "UTC")


def standing(rule: Rule | None = HOURLY, **fields: Any) -> Standing:
    """An active job, made a month ago, that is accounted for until noon and asked about at 12:30."""
    values: dict[str, Any] = {
        "now": MIDNIGHT + 12.5 * HOUR,
        "created_at": MIDNIGHT - 30 * DAY,
        "since": MIDNIGHT - 30 * DAY,
        "next_run_at": MIDNIGHT + 13 * HOUR,
        "accounted": MIDNIGHT + 12 * HOUR,
    }
    return Standing(rule, **(values | fields))


def ran(at: datetime, status: str = "success", kind: str = "scheduled") -> ExecutionLog:
    return ExecutionLog(
        id=int(at.timestamp()),
        scheduled_for=at,
        kind=kind,
        status=status,
        attempts=1,
        finished_at=at + SECOND,
        epoch=7,
        error_message=None if status == "success" else "the endpoint answered 500",
    )


def skip(first: datetime, last: datetime, count: int, reason: str = "misfire") -> Skip:
    return Skip(id=1, first=first, last=last, count=count, reason=reason, detail="", epoch=7)


def told(found: Any) -> list[tuple[str, datetime, datetime, int | None]]:
    return [(entry.fate.value, entry.first, entry.last, entry.count) for entry in found]


# -- rows in, fates out -----------------------------------------------------------------------------------------------


def test_three_days_of_a_secondly_job_that_were_missed_are_one_entry() -> None:
    first, last = MIDNIGHT - 3 * DAY, MIDNIGHT - SECOND
    began = time.process_time()
    found = entries(
        standing(SECONDLY, now=MIDNIGHT, next_run_at=MIDNIGHT + SECOND),
        [ran(MIDNIGHT)],
        [skip(first, last, 259_200)],
        first,
        MIDNIGHT,
    )
    assert time.process_time() - began < 0.5
    assert told(found) == [("skipped", first, last, 259_200), ("success", MIDNIGHT, MIDNIGHT, 1)]


def test_a_skip_is_cut_to_what_was_asked_and_keeps_its_whole_range() -> None:
    year = skip(MIDNIGHT - 366 * DAY, MIDNIGHT - DAY, 31_536_001, "paused")
    (found,) = entries(
        standing(SECONDLY), [], [year], MIDNIGHT - 10 * DAY, MIDNIGHT - 10 * DAY + MINUTE - SECOND
    )
    assert (found.first, found.last, found.count) == (
        MIDNIGHT - 10 * DAY,
        MIDNIGHT - 10 * DAY + 59 * SECOND,
        60,
    )
    assert found.skip is year


def test_a_cut_skip_of_a_schedule_that_is_gone_has_no_count_of_its_own() -> None:
    other = skip(MIDNIGHT + 10 * MINUTE, MIDNIGHT + 5 * HOUR + 10 * MINUTE, 6)
    (found,) = [
        entry
        for entry in entries(standing(), [], [other], MIDNIGHT + HOUR + MINUTE, MIDNIGHT + 2 * HOUR)
        if entry.skip
    ]
    assert (found.first, found.last, found.count) == (MIDNIGHT + HOUR + MINUTE, MIDNIGHT + 2 * HOUR, None)


def test_what_nothing_records_is_explained_by_when_it_was() -> None:
    created = MIDNIGHT - 90 * MINUTE
    found = entries(
        standing(created_at=created, since=MIDNIGHT + 90 * MINUTE, next_run_at=MIDNIGHT + 11 * HOUR),
        [ran(MIDNIGHT + 20 * MINUTE)],  # by the schedule of then
        [],
        MIDNIGHT - 3 * HOUR,
        MIDNIGHT + 15 * HOUR,
    )
    assert told(found) == [
        ("before_creation", MIDNIGHT - 3 * HOUR, MIDNIGHT - 2 * HOUR, 2),
        ("before_schedule", MIDNIGHT - HOUR, MIDNIGHT + HOUR, 3),
        ("success", MIDNIGHT + 20 * MINUTE, MIDNIGHT + 20 * MINUTE, 1),
        ("not_recorded", MIDNIGHT + 2 * HOUR, MIDNIGHT + 10 * HOUR, 9),
        ("not_dispatched_yet", MIDNIGHT + 11 * HOUR, MIDNIGHT + 12 * HOUR, 2),
        ("upcoming", MIDNIGHT + 13 * HOUR, MIDNIGHT + 15 * HOUR, 3),
    ]


@pytest.mark.parametrize("held", [Fate.PAUSED, Fate.QUARANTINED])
def test_a_held_job_runs_neither_what_has_passed_nor_what_is_to_come(held: Fate) -> None:
    stands = standing(held=held, next_run_at=None, paused_from=MIDNIGHT + 2 * HOUR)
    found = entries(stands, [ran(MIDNIGHT + HOUR)], [], MIDNIGHT + HOUR, MIDNIGHT + DAY)
    assert told(found) == [
        ("success", MIDNIGHT + HOUR, MIDNIGHT + HOUR, 1),
        (held.value, MIDNIGHT + 2 * HOUR, MIDNIGHT + DAY, 23),
    ]


def test_a_schedule_that_cannot_be_worked_out_names_the_time_at_which_it_stopped() -> None:
    stands = standing(None, held=Fate.QUARANTINED, next_run_at=None, paused_from=MIDNIGHT)
    assert told(entries(stands, [], [], MIDNIGHT - DAY, MIDNIGHT + HOUR)) == [
        ("quarantined", MIDNIGHT, MIDNIGHT + HOUR, None)
    ]


def test_a_backfilled_time_is_no_longer_counted_among_the_skipped() -> None:
    missed = skip(MIDNIGHT, MIDNIGHT + 4 * HOUR, 5)
    again = ran(MIDNIGHT + 2 * HOUR, kind="backfill")
    skipped, backfilled = entries(standing(), [again], [missed], MIDNIGHT, MIDNIGHT + 4 * HOUR)
    assert (skipped.fate, skipped.count) == (Fate.SKIPPED, 4)
    assert (backfilled.fate, backfilled.run, backfilled.skip) == (Fate.SUCCESS, again, missed)


def test_an_execution_read_live_and_in_the_ledger_is_told_once_as_ended() -> None:
    at = MIDNIGHT + HOUR
    live = Execution(id=int(at.timestamp()), scheduled_for=at, kind="scheduled", state="leased", epoch=7)
    for rows in ([live, ran(at)], [ran(at), live]):
        assert [entry.fate for entry in entries(standing(), rows, [], at, at)] == [Fate.SUCCESS]


def test_a_thousand_runs_with_gaps_between_are_told_quickly() -> None:
    rule = CronRule("*/5 * * * *", "America/New_York")
    runs = [ran(MIDNIGHT - 4 * DAY + number * 5 * MINUTE) for number in range(1_150) if number % 10]
    began = time.process_time()
    found = entries(standing(rule), runs, [], MIDNIGHT - 4 * DAY, MIDNIGHT)
    assert time.process_time() - began < 1.5
    lost = [entry for entry in found if entry.run is None]
    assert [(entry.fate, entry.count) for entry in lost] == [(Fate.NOT_RECORDED, 115 + 3)]


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


def aged(
    tenant: Any, spec: TriggerSpec, *, days: float = 10, place: datetime | None = None, **fields: Any
) -> Job:
    """A job that was made `days` ago and is accounted for until right before `place`."""
    job: Job = make_job(tenant, trigger=spec, **fields)
    made = datetime.now(UTC) - timedelta(days=days)
    with tenant_scope(tenant):
        Job.objects.filter(pk=job.pk).update(created_at=made, schedule_since=made)
        if place is not None:
            Cursor.objects.filter(pk=job.pk).update(next_run_at=place)
    return job


def text(instant: datetime) -> str:
    return instant.isoformat()


def one(client: MemberClient, job: Job, at: datetime) -> Any:
    (entry,) = client.ok(f"jobs/{job.pk}/why", at=text(at))["times"]
    return entry


def minute_now() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.mark.django_db
def test_one_instant(acme: Any, alice: MemberClient) -> None:
    now = minute_now()
    job = aged(acme, TriggerSpec.cron("* * * * *"), place=now + HOUR)
    with tenant_scope(acme):
        Skip.objects.create(
            tenant=acme,
            job_id=job.pk,
            first=now - DAY,
            last=now - HOUR,
            count=1_381,
            reason="misfire",
            epoch=3,
        )
    skipped = one(alice, job, now - 2 * HOUR)
    assert (skipped["outcome"], skipped["reason"], skipped["epoch"]) == ("skipped", "misfire", 3)
    assert (skipped["count"], skipped["execution_id"]) == (1_381, None)
    assert skipped["range"]["count"] == 1_381
    assert "1,381 times" in skipped["sentence"]

    between = alice.ok(f"jobs/{job.pk}/why", at=text(now - 2 * HOUR + SECOND))
    (nothing,) = between["times"]
    assert (nothing["outcome"], nothing["count"]) == ("not_scheduled", 0)
    assert [datetime.fromisoformat(between["nearest"][side]) for side in ("before", "after")] == [
        now - 2 * HOUR,
        now - 2 * HOUR + MINUTE,
    ]
    assert one(alice, job, now - 11 * DAY)["outcome"] == "before_creation"
    assert one(alice, job, now + HOUR)["outcome"] == "upcoming"


@pytest.mark.django_db
def test_without_a_leader_a_due_time_says_so(acme: Any, alice: MemberClient) -> None:
    now = minute_now()
    job = aged(acme, TriggerSpec.every(1, anchor_at=now - 3 * DAY), place=now - 3 * DAY)
    answer = alice.ok(f"jobs/{job.pk}/why", **{"from": text(now - 3 * DAY), "to": text(now)})
    (due,) = answer["times"]
    assert (due["outcome"], due["count"]) == ("not_dispatched_yet", 259_201)
    assert "no leader" in due["sentence"]


@pytest.mark.django_db
def test_a_pause_is_told_while_it_lasts_and_after(acme: Any, alice: MemberClient) -> None:
    now = minute_now()
    job = aged(acme, TriggerSpec.every(60, anchor_at=now - 365 * DAY), days=366)
    services.job_pause(tenant=acme, job_id=job.pk, reason="over the winter", actor="tests")
    with tenant_scope(acme):
        Cursor.objects.filter(pk=job.pk).update(paused_from=now - 365 * DAY)
    during = one(alice, job, now - 100 * DAY)
    assert (during["outcome"], during["detail"]) == ("paused", "over the winter")

    services.job_resume(tenant=acme, job_id=job.pk, actor="tests")
    after = one(alice, job, now - 100 * DAY)
    assert (after["outcome"], after["reason"], after["detail"]) == ("skipped", "paused", "over the winter")
    assert after["range"]["count"] >= 365 * 24 * 60
    month = alice.ok(f"jobs/{job.pk}/why", **{"from": text(now - 60 * DAY), "to": text(now - 30 * DAY)})
    assert [(time["outcome"], time["count"]) for time in month["times"]] == [("skipped", 30 * 24 * 60 + 1)]


@pytest.mark.django_db
def test_a_quarantined_job(acme: Any, alice: MemberClient) -> None:
    now = minute_now()
    job = aged(acme, TriggerSpec.cron("0 0 * * *"))
    with tenant_scope(acme):
        Job.objects.filter(pk=job.pk).update(timezone="Nowhere/Lost")
        Cursor.objects.filter(pk=job.pk).update(
            next_run_at=None,
            paused_from=now - HOUR,
            quarantined_at=now,
            quarantine_reason="There is no such zone.",
        )
    found = one(alice, job, now - HOUR)
    assert (found["outcome"], found["detail"]) == ("quarantined", "There is no such zone.")
    assert one(alice, job, now - 2 * HOUR)["outcome"] == "not_scheduled"


@pytest.mark.django_db
def test_nights_on_which_clocks_change(acme: Any, alice: MemberClient) -> None:
    new_york = "America/New_York"
    gap = aged(acme, TriggerSpec.cron("30 2 * * *", new_york))
    overlap = aged(acme, TriggerSpec.cron("30 1 * * *", new_york))
    forward, back = datetime(2040, 3, 11, tzinfo=UTC), datetime(2040, 11, 4, tzinfo=UTC)

    moved = one(alice, gap, forward.replace(hour=7))  # 03:00 EDT, the first instant after the gap
    assert moved["outcome"] == "upcoming"
    assert moved["local_time"] == "2040-03-11T03:00:00-04:00"
    assert "02:30 does not exist" in moved["note"]
    assert one(alice, gap, forward.replace(hour=7, minute=30))["outcome"] == "not_scheduled"

    first = one(alice, overlap, back.replace(hour=5, minute=30))  # 01:30 EDT
    assert first["outcome"] == "upcoming"
    assert "comes twice" in first["note"]
    second = alice.ok(f"jobs/{overlap.pk}/why", at=text(back.replace(hour=6, minute=30)))  # 01:30 EST
    assert second["times"][0]["outcome"] == "not_scheduled"
    assert datetime.fromisoformat(second["nearest"]["before"]) == back.replace(hour=5, minute=30)
    night = alice.ok(
        f"jobs/{overlap.pk}/why", **{"from": text(back.replace(hour=4)), "to": text(back.replace(hour=8))}
    )
    assert [(time["outcome"], time["count"]) for time in night["times"]] == [("upcoming", 1)]


@pytest.mark.django_db
def test_pages_of_a_range_put_together_are_the_whole(acme: Any, alice: MemberClient) -> None:
    now = minute_now()
    start, job = now - DAY, aged(acme, TriggerSpec.cron("* * * * *"), place=now + MINUTE)
    with tenant_scope(acme):
        _ledger(acme, job, [start + number * MINUTE for number in range(60)])
        Skip.objects.create(
            tenant=acme, job_id=job.pk, first=start + HOUR, last=now, count=1_381, reason="misfire"
        )
        _ledger(acme, job, [start + 2 * HOUR + number * MINUTE for number in range(40)], kind="backfill")
    whole = alice.ok(f"jobs/{job.pk}/why", **{"from": text(start), "to": text(now)})
    assert (whole["count"], whole["has_more"]) == (101, False)

    pages, ask = [], start
    while True:
        page = alice.ok(f"jobs/{job.pk}/why", limit=13, **{"from": text(ask), "to": text(now)})
        pages.append(page)
        assert page["count"] == len(page["times"]) <= 13
        if not page["has_more"]:
            break
        ask = datetime.fromisoformat(page["next_from"])
        assert len(pages) < 20
    spoken = [time for page in pages for time in page["times"]]
    assert sum(time["count"] for time in spoken) == sum(time["count"] for time in whole["times"]) == 1_441
    runs = [time["execution_id"] for time in spoken if time["execution_id"]]
    assert runs == [time["execution_id"] for time in whole["times"] if time["execution_id"]]
    assert {time["range"]["count"] for time in spoken if time["outcome"] == "skipped"} == {1_381}


@pytest.mark.django_db
def test_ten_thousand_runs_are_read_a_page_at_a_time_in_the_same_few_queries(
    acme: Any, alice: MemberClient
) -> None:
    now = minute_now()
    job = aged(acme, TriggerSpec.cron("* * * * *"), place=now + MINUTE)
    path = f"jobs/{job.pk}/why"
    asked = {"from": text(now - 8 * DAY), "to": text(now)}
    alice.ok(path, **asked)
    with CaptureQueriesContext(connection) as empty:
        alice.ok(path, **asked)
    with tenant_scope(acme):
        _ledger(acme, job, [now - number * MINUTE for number in range(10_000)])
    with CaptureQueriesContext(connection) as full:
        page = alice.ok(path, **asked)
    assert (page["count"], page["has_more"]) == (1_000, True)
    assert len(full) == len(empty), [query["sql"][:80] for query in full.captured_queries]
    with CaptureQueriesContext(connection) as single:
        alice.ok(path, at=text(now))
    assert len(single) == len(empty)
    assert len([query for query in empty if 'FROM "executions_' in query["sql"]]) == 4


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "at"),
        ({"at": "2026-11-20T00:00:00Z", "from": "2026-11-20T00:00:00Z"}, "at"),
        ({"at": "2026-11-20T00:00:00"}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"at": "0001-01-01T00:00:00Z"}, "at"),
        ({"from": "2026-11-20T00:00:00Z"}, "to"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "from"),
        ({"from": "2025-10-01T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "to"),
        ({"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "limit": "1001"}, "limit"),
    ],
)
def test_a_question_that_is_none_is_refused_by_field(
    acme: Any, alice: MemberClient, query: dict[str, str], field: str
) -> None:
    job = make_job(acme)
    answer = alice.get(f"jobs/{job.pk}/why", **query)
    assert answer.status_code == 400, answer.content
    assert set(answer.json()["errors"]) == {field}
    assert answer.json()["detail"]


@pytest.mark.django_db
def test_whose_job_it_is(acme: Any, cast: Any, other_cast: Any, alice: MemberClient) -> None:
    job = make_job(acme, user_id=cast.bob.user_id)
    asked = {"at": "2026-11-20T00:00:00Z"}
    assert MemberClient(cast.bob).get(f"jobs/{job.pk}/why", **asked).status_code == 200
    assert MemberClient(cast.vic).get(f"jobs/{job.pk}/why", **asked).status_code == 403
    assert MemberClient(other_cast.alice).get(f"jobs/{job.pk}/why", **asked).status_code == 404
    services.job_delete(tenant=acme, job_id=job.pk, actor="tests")
    assert alice.get(f"jobs/{job.pk}/why", **asked).status_code == 200  # its history is kept
    assert MemberClient(other_cast.alice).get(f"jobs/{job.pk}/why", **asked).status_code == 404


def test_three_days_without_a_leader_end_as_one_range_and_one_run(
    acme: Any, leader: LeaderSession, cast: Any
) -> None:
    now = minute_now()
    due = now - 3 * DAY
    job = aged(acme, TriggerSpec.every(60, anchor_at=due), place=due, misfire_grace_seconds=0)
    dispatcher = Dispatcher()
    while dispatcher.run_once(leader).again:
        pass
    alice = MemberClient(cast.alice)
    answer = alice.ok(f"jobs/{job.pk}/why", **{"from": text(due), "to": text(now)})
    skipped, *rest = answer["times"]
    assert (skipped["outcome"], skipped["reason"]) == ("skipped", "misfire")
    assert skipped["epoch"] == leader.epoch
    assert [time["outcome"] for time in rest] == ["pending"] * len(rest)
    assert skipped["count"] + len(rest) == 3 * 24 * 60 + 1


def _ledger(tenant: Any, job: Job, times: list[datetime], kind: str = "scheduled") -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM executions_executionlog")
        (taken,) = cursor.fetchone()
    ExecutionLog.objects.bulk_create(
        [
            ExecutionLog(
                id=taken + number,
                tenant=tenant,
                job_id=job.pk,
                job_name=job.name,
                kind=kind,
                scheduled_for=at,
                run_at=at,
                task_type=job.task_type,
                target=job.target,
                status="success",
                attempts=1,
                finished_at=at + SECOND,
                created_at=at,
            )
            for number, at in enumerate(times, start=1)
        ],
        batch_size=2_000,
    )
