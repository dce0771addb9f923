"""The next hours over HTTP: which jobs have a part in them, and whose. The arithmetic is in `unit/test_forecast`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.jobs.forecast import reading
from apps.jobs.forecast.counting import Forecast, Group, forecast_of
from apps.jobs.forecast.curve import OPTIONS
from apps.jobs.forecast.reading import forecast
from apps.jobs.jitter import delay, fraction
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.times import occurrences
from apps.jobs.schedules import rule_of
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.contract.client import MemberClient
from tests.contract.records import now
from tests.factories import make_job

pytestmark = pytest.mark.django_db
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
PATH = "insights/forecast"


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def bob(cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


def coming(alice: MemberClient, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = alice.ok(PATH, **query)
    minutes = 60 * int(query.get("hours", "24"))
    assert len(answer["minutes"]) == len(answer["flattened"]) == minutes
    assert sum(answer["minutes"]) == sum(answer["flattened"]) == answer["total"]
    assert [option["jitter_seconds"] for option in answer["options"]] == list(OPTIONS)
    for key, counts in (("peak", answer["minutes"]), ("flattened_peak", answer["flattened"])):
        at = datetime.fromisoformat(answer[key]["at"]) - datetime.fromisoformat(answer["from"])
        assert counts[at // MINUTE] == answer[key]["count"] == max(counts)
    return answer


class TestForecast:
    def test_it_counts_what_will_start(self, cast: Any, alice: MemberClient) -> None:
        for _ in range(5):
            make_job(cast.tenant, trigger=TriggerSpec.cron("0 * * * *"))
        make_job(cast.tenant, trigger=TriggerSpec.every(600, datetime.now(UTC) - timedelta(days=1)))
        answer = coming(alice)
        assert (answer["total"], answer["jobs"], answer["left_out"]) == (5 * 24 + 144, 6, 0)
        start = datetime.fromisoformat(answer["from"])
        assert (start.second, start.microsecond) == (0, 0)
        assert 0 <= (start - datetime.now(UTC)).total_seconds() + 5 <= 65
        hours = [(start + number * MINUTE).minute == 0 for number in range(1440)]
        assert all(count >= 5 for count, full in zip(answer["minutes"], hours, strict=True) if full)
        assert sum(count for count, full in zip(answer["minutes"], hours, strict=True) if not full) <= 144

    def test_a_burst_is_told_to_spread(self, cast: Any, alice: MemberClient) -> None:
        minute = (now() + timedelta(hours=2)).minute
        for _ in range(40):
            make_job(cast.tenant, trigger=TriggerSpec.cron(f"{minute} * * * *"))
        answer = coming(alice, hours="6")
        assert (answer["peak"]["count"], answer["suggested_jitter_seconds"]) == (40, 600)
        assert answer["flattened_peak"]["count"] == 4
        assert {"jitter_seconds": 600, "peak": 4} in answer["options"]

    def test_jobs_that_do_not_run_are_no_part_of_it(self, cast: Any, alice: MemberClient) -> None:
        every = TriggerSpec.cron("* * * * *")
        jobs = [make_job(cast.tenant, trigger=every) for _ in range(5)]
        make_job(cast.tenant, trigger=TriggerSpec.manual())
        with all_tenants_scope():
            of = Job.objects.filter
            of(pk=jobs[0].pk).update(switch="paused")
            of(pk=jobs[1].pk).update(deleted_at=now())
            Cursor.objects.filter(job=jobs[2]).update(next_run_at=None, quarantined_at=now())
            Cursor.objects.filter(job=jobs[3]).update(cool_off_until=now() + 2 * HOUR)
        answer = coming(alice, hours="3")
        assert answer["jobs"] == 2
        assert answer["minutes"][:118] == [1] * 118
        assert answer["minutes"][122:] == [2] * 58

    def test_calendars_windows_and_jitter_are_those_of_the_jobs(self, cast: Any, alice: MemberClient) -> None:
        start = now().replace(second=0) + HOUR
        body = {
            "name": "closed",
            "timezone": "UTC",
            "blackouts": [
                {"from": f"{start:%Y-%m-%dT%H:%M}", "to": f"{start + 10 * MINUTE:%Y-%m-%dT%H:%M}"},
            ],
        }
        calendar = int(alice.send("POST", "calendars", body).json()["id"])
        make_job(cast.tenant, trigger=TriggerSpec.cron("* * * * *"), calendar_id=calendar)
        make_job(
            cast.tenant,
            trigger=replace(TriggerSpec.every(60, now() - HOUR), ends_at=start + 20 * MINUTE),
            calendar_id=calendar,
        )
        answer = coming(alice, hours="2")
        first = (start - datetime.fromisoformat(answer["from"])) // MINUTE
        assert answer["minutes"][first - 1 : first + 22] == [2] + [0] * 10 + [2] * 10 + [
            answer["minutes"][first + 20],
            1,
        ]

    def test_it_is_what_a_walk_of_each_job_finds(self, cast: Any) -> None:
        triggers = [
            TriggerSpec.cron(rule, zone)
            for rule, zone in (
                ("*/7 * * * *", "UTC"),
                ("0 */2 * * *", "Europe/Berlin"),
                ("30 9 * * *", "Asia/Kathmandu"),
            )
        ]
        triggers += [TriggerSpec.every(seconds, now() - 90 * SECOND) for seconds in (45, 90, 600, 4000)]
        jobs = [
            make_job(cast.tenant, trigger=one, jitter_seconds=jitter)
            for one in triggers
            for jitter in (0, 50, 700)
        ]
        at = datetime.now(UTC) + timedelta(days=1)  # long after these were made: their jitter reaches back
        with tenant_scope(cast.tenant):
            found = forecast(cast.tenant, user_id=None, hours=4, now=at)
            expected: Counter[int] = Counter()
            for job in Job.objects.filter(pk__in=[job.pk for job in jobs]):
                rule = rule_of(job)
                for tick in occurrences(rule, after=at - HOUR, until=found.start + 4 * HOUR, limit=10_000):
                    late = timedelta(seconds=delay(job.pk, rule, tick, job.jitter_seconds))
                    expected[(tick + late - found.start) // MINUTE] += 1
        assert found.curve.starts() == [expected[minute] for minute in range(240)]
        assert (found.jobs, found.left_out) == (len(jobs), 0)

    def test_a_new_schedule_has_no_earlier_times_whose_jitter_is_not_over(self, cast: Any) -> None:
        """At 10:00 the jobs were not there yet, at 10:40 what would have run late is still not over."""
        ten = datetime(2026, 12, 1, 10, tzinfo=UTC)
        jobs = [
            make_job(cast.tenant, trigger=TriggerSpec.cron("0 * * * *"), jitter_seconds=3600)
            for _ in range(30)
        ]
        of = Job.objects.filter(pk__in=[job.pk for job in jobs])
        late = sum(fraction(job.pk) * 60 >= 40 for job in jobs)
        assert 5 < late < 15
        for since, earlier in ((ten + 30 * MINUTE, 0), (ten - HOUR, late)):
            with all_tenants_scope():
                of.update(schedule_since=since)
                Cursor.objects.filter(job__in=jobs).update(next_run_at=ten + HOUR)
            with tenant_scope(cast.tenant):
                starts = forecast(cast.tenant, user_id=None, hours=2, now=ten + 40 * MINUTE).curve.starts()
            assert (sum(starts[:20]), sum(starts[20:80])) == (earlier, 30)

    def test_jobs_whose_windows_are_open_are_one_group(
        self, cast: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whenever each of them opened: a thousand jobs with a day of their own are walked once."""
        at = datetime(2027, 3, 1, 10, tzinfo=UTC)
        jobs = [
            make_job(cast.tenant, trigger=TriggerSpec.cron("*/5 * * * *"), jitter_seconds=jitter)
            for jitter in (0, 0, 0, 600, 600)
        ]
        begins = [at - timedelta(days=1), at, at + HOUR, at - 10 * MINUTE, at - 9 * MINUTE]
        with all_tenants_scope():
            for job, starts_at in zip(jobs, begins, strict=True):
                Job.objects.filter(pk=job.pk).update(starts_at=starts_at)
        given: list[Group] = []

        def noted(groups: list[Group], **more: Any) -> Forecast:
            given.extend(groups)
            return forecast_of(groups, **more)

        monkeypatch.setattr(reading, "forecast_of", noted)
        with tenant_scope(cast.tenant):
            found = forecast(cast.tenant, user_id=None, hours=2, now=at)
        assert sorted((group.jitter_seconds, group.n) for group in given) == [
            (0, 1),
            (0, 2),
            (600, 1),
            (600, 1),
        ]
        assert found.jobs == 5
        assert sum(found.curve.starts()[:5]) >= 2 + 2, "those that begin later are not there yet"

    def test_members_see_their_own_and_other_tenants_nothing(
        self, cast: Any, other_cast: Any, alice: MemberClient, bob: MemberClient
    ) -> None:
        for user in (cast.bob.user_id, cast.ann.user_id, None):
            make_job(cast.tenant, trigger=TriggerSpec.cron("* * * * *"), user_id=user)
        totals = [
            coming(client, hours="1")["total"] for client in (alice, bob, MemberClient(other_cast.alice))
        ]
        assert totals == [180, 60, 0]
        assert coming(MemberClient(cast.vic), hours="1")["jobs"] == 0

    def test_it_asks_the_same_few_questions_of_many_jobs(self, cast: Any, alice: MemberClient) -> None:
        def questions() -> int:
            with CaptureQueriesContext(connection) as queries:
                coming(alice)
            return len(queries)

        make_job(cast.tenant)
        few = questions()
        with all_tenants_scope():
            template = Job.objects.get(tenant=cast.tenant)
            jobs = Job.objects.bulk_create(
                Job(
                    tenant=cast.tenant,
                    name="one of many",
                    trigger_type="cron",
                    cron_expression=f"{number % 60} {number // 60 % 24} * * *",
                    target=template.target,
                    task_type=template.task_type,
                )
                for number in range(300)
            )
            Cursor.objects.bulk_create(
                Cursor(job=job, tenant=cast.tenant, next_run_at=now() + MINUTE) for job in jobs
            )
        assert questions() == few
        assert coming(alice)["jobs"] == 301
