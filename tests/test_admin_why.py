"""The operators' page "Why didn't it run?": the API's answers, for any tenant's job, and nothing of its content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.html import strip_tags

from apps.executions.models import Skip
from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import User
from tests.contract.client import MemberClient
from tests.factories import make_job

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CANARY = "https://example.com/canary-4711"


def hour_now() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def job(acme: Any) -> Job:
    """Hourly for ten days; of its last day 23 times were missed while it was paused."""
    job: Job = make_job(acme, trigger=TriggerSpec.cron("0 * * * *", "Europe/Berlin"), payload={"url": CANARY})
    with tenant_scope(acme):
        made = hour_now() - 10 * DAY
        Job.objects.filter(pk=job.pk).update(created_at=made, schedule_since=made)
        Skip.objects.create(
            tenant=acme, job_id=job.pk, first=hour_now() - 22 * HOUR, last=hour_now(), count=23, reason="paused",
            detail="over the weekend",
        )  # fmt: skip
    return job


def address(job: Job) -> str:
    return f"/admin/jobs/job/{job.pk}/why/"


def rows(answer: Any) -> list[list[Any]]:
    found: list[list[Any]] = answer.context["found"]["table"]["rows"]
    return found


def plain(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def time_of(row: list[Any]) -> str:
    return strip_tags(row[0])


def test_a_jobs_page_leads_there_and_the_last_day_is_shown(browser: Client, job: Job) -> None:
    assert address(job) in browser.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    answer = browser.get(address(job))
    assert answer.status_code == 200
    (skipped,) = [row for row in rows(answer) if row[3] == "skipped"]
    assert skipped[2] == "23"
    assert "over the weekend" in skipped[4]
    assert "Skipped: the job was paused. over the weekend." in answer.content.decode()


def test_the_page_says_what_the_api_says(browser: Client, job: Job, cast: Any) -> None:
    start, until = hour_now() - 30 * DAY, hour_now() + 2 * DAY
    asked = {"start": plain(start), "until": plain(until)}
    times = MemberClient(cast.alice).ok(
        f"jobs/{job.pk}/why", **{"from": start.isoformat(), "to": until.isoformat()}
    )["times"]
    assert len(times) > 2
    shown = rows(browser.get(address(job), asked))
    assert [(row[3], row[4]) for row in shown] == [
        (time["outcome"].replace("_", " "), time["sentence"]) for time in times
    ]


def test_one_instant_leads_to_those_on_either_side(browser: Client, job: Job) -> None:
    at = hour_now() - 3 * DAY + timedelta(minutes=30)
    answer = browser.get(address(job), {"at": plain(at)})
    ((_, _, count, outcome, sentence),) = rows(answer)
    assert (count, outcome) == ("0", "not scheduled")
    assert "is no time of the job's schedule" in sentence
    (_, before), (_, after) = answer.context["found"]["near"]
    assert [time_of(rows(browser.get(f"{address(job)}?{query}"))[0]) for query in (before, after)] == [
        plain(at - HOUR / 2),
        plain(at + HOUR / 2),
    ]


def test_a_long_answer_goes_on(browser: Client, job: Job, acme: Any) -> None:
    with tenant_scope(acme):
        Skip.objects.filter(job_id=job.pk).delete()
        Skip.objects.bulk_create(
            Skip(tenant=acme, job_id=job.pk, first=at, last=at, count=1, reason="overlap")
            for at in (hour_now() - n * HOUR for n in range(150))
        )
        Cursor.objects.filter(pk=job.pk).update(next_run_at=hour_now() + HOUR)
    query, seen = f"start={plain(hour_now() - 149 * HOUR)}&until={plain(hour_now())}", []
    while query:
        answer = browser.get(f"{address(job)}?{query}")
        seen += [time_of(row) for row in rows(answer)]
        query = answer.context["found"]["more"]
        assert len(seen) <= 150
    assert seen == [plain(hour_now() - n * HOUR) for n in range(149, -1, -1)]


@pytest.mark.parametrize(
    "asked",
    [
        {"at": "yesterday"},
        {"at": "0001-01-01 00:00:00"},
        {"start": "2026-11-20 00:00:00"},
        {"start": "2026-11-20 00:00:00", "until": "2026-11-19 00:00:00"},
        {"start": "2024-11-20 00:00:00", "until": "2026-11-19 00:00:00"},
        {"at": "2026-11-20 00:00:00", "start": "2026-11-20 00:00:00", "until": "2026-11-20 00:00:00"},
        {"at": "\u0000"},
    ],
)
def test_a_question_that_is_none_is_shown_again(browser: Client, job: Job, asked: dict[str, str]) -> None:
    answer = browser.get(address(job), asked)
    assert answer.status_code == 200
    assert answer.context["found"] is None
    assert answer.context["form"].errors


def test_the_job_may_be_deleted_broken_or_of_a_suspended_tenant(browser: Client, job: Job, acme: Any) -> None:
    with all_tenants_scope():
        type(acme).objects.filter(pk=acme.pk).update(status="suspended")
    (coming,) = rows(browser.get(address(job), {"at": plain(hour_now() + DAY)}))
    assert "the tenant is suspended" in coming[4]
    services.job_delete(tenant=acme, job_id=job.pk, actor="tests")
    (gone,) = rows(browser.get(address(job), {"at": plain(hour_now() + DAY)}))
    assert gone[3] == "deleted"
    assert "The job was deleted at" in gone[4]
    with tenant_scope(acme):
        Job.objects.filter(pk=job.pk).update(timezone="Nowhere/Lost")
    assert browser.get(address(job)).status_code == 200


def test_nothing_of_the_jobs_content_is_shown(browser: Client, job: Job) -> None:
    page = browser.get(address(job), {"start": plain(hour_now() - DAY), "until": plain(hour_now())})
    assert "canary" not in page.content.decode()


def test_who_may_not_look_at_jobs_may_not_ask(db: None, job: Job) -> None:
    oscar = User.objects.create_user("oscar", password="correct horse battery", is_staff=True)
    client = Client(headers={"Host": "localhost"})
    client.force_login(oscar, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(address(job)).status_code == 403
    oscar.user_permissions.add(Permission.objects.get(codename="view_job"))
    assert client.get(address(job)).status_code == 200
    assert client.get("/admin/jobs/job/999999/why/").status_code == 404
    assert client.get("/admin/jobs/job/nonsense/why/").status_code == 404


def test_the_jobs_own_time_is_shown_where_it_is_another(browser: Client, acme: Any) -> None:
    for zone, extra in (("UTC", 0), ("Asia/Kolkata", 1)):
        job = make_job(acme, trigger=TriggerSpec.cron("* * * * *", zone))
        with tenant_scope(acme):
            Job.objects.filter(pk=job.pk).update(created_at=hour_now() - DAY, schedule_since=hour_now() - DAY)
        answer = browser.get(address(job))
        headers = answer.context["found"]["table"]["headers"]
        assert (f"In {zone}" in headers) is bool(extra)
        assert {len(row) for row in rows(answer)} == {len(headers)} == {4 + extra}
