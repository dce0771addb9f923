"""What the fold keeps for tenants that asked: one notice an incident, in the transaction that moves the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.jobs.models import Cursor, Job, Notice, NoticeWanted
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.models import LeaderTerm
from apps.leadership.session import LeaderSession, TermLost
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from tests.leaders import UNHURRIED
from tests.test_outcomes import at, make, note

ALL = Notice.Event.values


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    with all_tenants_scope():
        yield session
    session.close(reason="test over")


@pytest.fixture
def job(acme: Any, leader: LeaderSession) -> Job:
    NoticeWanted.objects.create(tenant=acme, events=ALL)
    job = make(acme, "a job")
    Job.objects.filter(pk=job.pk).update(cool_off_after=0)
    return job


def fold(leader: LeaderSession) -> None:
    OutcomeFold().run_once(leader)


def told() -> list[tuple[str, int]]:
    return list(Notice.objects.order_by("id").values_list("event", "failures"))


def test_five_hundred_failures_in_a_row_are_told_once_and_so_is_the_recovery(
    leader: LeaderSession, job: Job
) -> None:
    for when in range(20):
        note(job, when, "failed", failures=25)
        fold(leader)
    assert Cursor.objects.get(job=job).consecutive_failures == 500
    assert told() == [("failure", 25)]
    note(job, 30, "success")
    fold(leader)
    note(job, 31, "success")
    fold(leader)
    assert told() == [("failure", 25), ("recovery", 500)]
    first, last = Notice.objects.order_by("id")
    assert (first.reason, first.at, first.job_name, first.user_id) == ("it broke at 0", at(0), "a job", "u-1")
    assert (last.reason, last.at) == (None, at(30))
    note(job, 40, "failed")
    fold(leader)
    assert told()[2:] == [("failure", 1)], "the next incident is another one"


@pytest.mark.parametrize(
    ("before", "notes", "expected"),
    [
        ([], ["success"], []),
        (["failed"], ["success", "failed"], ["recovery", "failure"]),
        ([], ["success", "failed"], ["failure"]),
        ([], ["failed", "success"], ["failure", "recovery"]),
        ([], ["failed", "success", "failed"], ["failure"]),
        (["failed"], ["failed", "failed"], []),
        (["failed"], ["failed", "success"], ["recovery"]),
    ],
)
def test_what_one_fold_tells(
    leader: LeaderSession, job: Job, before: list[str], notes: list[str], expected: list[str]
) -> None:
    if before:
        for when, status in enumerate(before):
            note(job, when, status)
        fold(leader)
        Notice.objects.all().delete()
    for when, status in enumerate(notes, start=100):
        note(job, when, status)
    fold(leader)
    assert [event for event, _ in told()] == expected


def test_news_that_come_late_are_none(leader: LeaderSession, job: Job) -> None:
    note(job, 10, "success")
    fold(leader)
    note(job, 5, "failed")
    fold(leader)
    assert told() == []
    note(job, 20, "failed")
    fold(leader)
    note(job, 15, "success")
    fold(leader)
    assert told() == [("failure", 1)]


def test_each_beginning_of_a_cool_off_is_told(leader: LeaderSession, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(cool_off_after=2, cool_off_seconds=60)
    for when in range(5):
        note(job, when, "failed")
        fold(leader)
    assert told() == [("failure", 1), ("cool_off", 2)]
    until = Cursor.objects.get(job=job).cool_off_until
    assert Notice.objects.get(event="cool_off").cool_off_until == until
    Cursor.objects.update(cool_off_until=at(6))
    note(job, 10, "failed")
    fold(leader)
    assert told() == [("failure", 1), ("cool_off", 2), ("cool_off", 6)]


def test_only_tenants_that_asked_are_told_and_only_of_that(
    leader: LeaderSession, job: Job, acme: Any, bravo: Any
) -> None:
    other = make(bravo, "a job of Bravo's")
    NoticeWanted.objects.update(events=["recovery"])
    for each in (job, other):
        note(each, 1, "failed")
    fold(leader)
    assert told() == []
    for each in (job, other):
        note(each, 2, "success")
    fold(leader)
    assert list(Notice.objects.values_list("tenant_id", "event")) == [(acme.pk, "recovery")]


def test_suspended_tenants_are_told_nothing(leader: LeaderSession, job: Job, acme: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    note(job, 1, "failed")
    fold(leader)
    assert (told(), Cursor.objects.get(job=job).consecutive_failures) == ([], 1)


def test_a_fold_that_loses_its_term_leaves_no_notice(leader: LeaderSession, job: Job) -> None:
    note(job, 1, "failed")
    LeaderTerm.objects.filter(ended_at=None).update(ended_at=at(0))
    with pytest.raises(TermLost):
        fold(leader)
    assert told() == []
