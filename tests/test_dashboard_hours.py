"""The last hours over HTTP: what is counted, whose it is, and what it costs."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.executions import hourly
from apps.executions.models import Delta, ExecutionLog
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import UserIdentity
from tests.contract.client import MemberClient
from tests.contract.records import Records, now
from tests.test_execution_log_reads import fill, rows_read

pytestmark = pytest.mark.django_db
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
PATH = "insights/hours"


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def bob(cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


def this_hour() -> datetime:
    return now().replace(minute=0, second=0)


def nearest(values: list[int], part: float) -> int:
    return sorted(values)[math.ceil(part * len(values)) - 1]


class TestHours:
    def test_an_hour_has_its_outcomes_lags_and_durations(self, cast: Any, alice: MemberClient) -> None:
        made, at = Records(cast.alice), this_hour() - HOUR
        job = made.job()
        for number in range(1, 51):
            time = at + number * MINUTE
            made.finished(
                job,
                time,
                started_at=time + number * timedelta(milliseconds=10),
                execution_time_ms=1000 - number,
                error_text="no" if number % 5 == 0 else None,
            )
        made.finished(job, at - HOUR, started_at=None, execution_time_ms=None)
        made.skip(job, at + 5 * SECOND, at + 5 * SECOND, 1)
        made.skip(job, at - HOUR, at + HOUR, 5)
        answer = alice.ok(PATH, hours="4")
        assert [datetime.fromisoformat(hour["hour"]) for hour in answer["hours"]] == [
            this_hour() - back * HOUR for back in (3, 2, 1, 0)
        ]
        empty, before, last, present = answer["hours"]
        assert last == {
            "hour": last["hour"],
            "succeeded": 40,
            "failed": 10,
            "skipped": 3,
            "lag_ms": {"p50": 250, "p99": 500},
            "duration_ms": {"p50": 974, "p99": 999},
            "sampled": False,
        }
        assert (before["succeeded"], before["skipped"], before["lag_ms"], before["duration_ms"]) == (
            1,
            2,
            None,
            None,
        )
        assert (empty["succeeded"], empty["failed"], empty["skipped"]) == (0, 0, 0)
        assert present["skipped"] == 1
        assert answer["totals"] == {"succeeded": 41, "failed": 10, "skipped": 6}

    def test_clocks_that_disagree_make_no_negative_lag(self, cast: Any, alice: MemberClient) -> None:
        made, at = Records(cast.alice), this_hour()
        made.finished(made.job(), at, started_at=at - SECOND)
        assert alice.ok(PATH, hours="1")["hours"][0]["lag_ms"] == {"p50": 0, "p99": 0}

    def test_members_see_their_own_in_every_form_and_other_tenants_nothing(
        self, cast: Any, other_cast: Any, alice: MemberClient, bob: MemberClient
    ) -> None:
        made, at = Records(cast.alice), this_hour() - HOUR
        with all_tenants_scope():
            UserIdentity.objects.create(tenant=cast.tenant, legacy_user_id=7, user_id=cast.bob.user_id)
        theirs, mine = made.job(), made.job(user_id=cast.bob.user_id)
        for number in range(8):
            made.finished(theirs, at + number * SECOND)
        forms = ({"user_id": cast.bob.user_id}, {"user_id": "7"}, {"user_id": None, "legacy_user_id": 7})
        for number, form in enumerate(forms):
            made.finished(mine, at + (20 + number) * SECOND, execution_time_ms=number, **form)
        made.skip(theirs, at, at, 1)
        made.skip(mine, at, at, 1)
        seen = {
            who: client.ok(PATH, hours="2")
            for who, client in (
                ("alice", alice),
                ("bob", bob),
                ("nobody", MemberClient(cast.vic)),
                ("elsewhere", MemberClient(other_cast.alice)),
            )
        }
        assert seen["alice"]["totals"] == {"succeeded": 11, "failed": 0, "skipped": 2}
        assert seen["bob"]["totals"] == {"succeeded": 3, "failed": 0, "skipped": 1}
        assert seen["bob"]["hours"][0]["duration_ms"] == {"p50": 1, "p99": 2}
        nothing = {"succeeded": 0, "failed": 0, "skipped": 0}
        assert seen["nobody"]["totals"] == seen["elsewhere"]["totals"] == nothing

    def test_counts_are_exact_and_percentiles_of_the_latest(
        self, acme: Any, cast: Any, alice: MemberClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(acme)
        monkeypatch.setattr(hourly, "SAMPLE", 10)
        with all_tenants_scope():
            ExecutionLog.objects.update(started_at=None, run_at=now())
        since = this_hour() - 23 * HOUR
        with tenant_scope(acme):
            expected = Counter(
                (row.scheduled_for.replace(minute=0, second=0), row.status)
                for row in ExecutionLog.objects.filter(tenant=acme, scheduled_for__gte=since)
            )
        hours = alice.ok(PATH)["hours"]
        assert len(hours) == 24
        for hour in hours:
            at = datetime.fromisoformat(hour["hour"])
            assert (hour["succeeded"], hour["failed"]) == (expected[at, "success"], expected[at, "failed"])
            assert hour["sampled"] == (hour["succeeded"] + hour["failed"] > 10)

    def test_a_sample_is_the_latest_of_both_outcomes(
        self, cast: Any, alice: MemberClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, at = Records(cast.alice), this_hour() - HOUR
        job = made.job()
        for number in range(40):
            error = "no" if number % 3 == 0 else None
            made.finished(job, at + number * SECOND, execution_time_ms=number, error_text=error)
        monkeypatch.setattr(hourly, "SAMPLE", 20)
        hour = alice.ok(PATH, hours="2")["hours"][0]
        assert hour["sampled"] is True
        latest = list(range(20, 40))
        assert hour["duration_ms"] == {"p50": nearest(latest, 0.5), "p99": nearest(latest, 0.99)}

    def test_skips_beyond_the_bound_make_a_sample(
        self, cast: Any, alice: MemberClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, at = Records(cast.alice), this_hour()
        job = made.job()
        for back in range(4):
            for number in range(3):
                instant = at - back * HOUR + number * SECOND
                made.skip(job, instant, instant, 1)
        monkeypatch.setattr(hourly, "MOST_SKIPS", 8)
        hours = alice.ok(PATH, hours="4")["hours"]
        assert [hour["skipped"] for hour in hours] == [0, 2, 3, 3]
        assert [hour["sampled"] for hour in hours] == [True, True, False, False]

    @pytest.mark.parametrize("whose", ["the tenant's", "one user's"])
    def test_the_work_is_bounded_by_hours_not_by_rows(
        self, acme: Any, whose: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(acme)
        monkeypatch.setattr(hourly, "SAMPLE", 10)
        user = None if whose == "the tenant's" else hourly.UserForms(["user-7", "7"], [7])
        hours = hourly.hours_until(now(), 24)
        with tenant_scope(acme):
            with CaptureQueriesContext(connection) as queries:
                hourly.timings_by_hour(tenant_id=acme.pk, user=user, hours=hours)
                hourly.finished_by_hour(tenant_id=acme.pk, user=user, hours=hours)
            timings, counts = [query["sql"] for query in queries]
            branches = 1 if user is None else 3
            assert rows_read(timings) <= 24 * 2 * branches * (10 + 2)
            assert "executionlog" not in counts

    def test_no_moment_counts_twice_what_is_folded(self, acme: Any, alice: MemberClient) -> None:
        fill(acme, 500)
        before = alice.ok(PATH, hours="48")["totals"]
        with all_tenants_scope(), connection.cursor() as cursor:
            cursor.execute(
                "WITH gone AS (DELETE FROM executions_delta WHERE id %% 2 = 0 AND tenant_id = %s RETURNING *)"
                " INSERT INTO executions_counter (tenant_id, user_key, task_type, status, hour, n)"
                " SELECT tenant_id, user_key, task_type, status, hour, sum(n) FROM gone GROUP BY 1, 2, 3, 4, 5",
                [acme.pk],
            )
            assert Delta.objects.filter(tenant=acme).exists()
        assert alice.ok(PATH, hours="48")["totals"] == before

    @pytest.mark.parametrize("hours", ["0", "49", "-1", "x", "1.5", "9" * 30])
    @pytest.mark.parametrize("path", [PATH, "insights/forecast"])
    def test_hours_out_of_range_are_refused(self, alice: MemberClient, path: str, hours: str) -> None:
        answer = alice.get(path, hours=hours)
        assert answer.status_code == 400, answer.content
        assert list(answer.json()["errors"]) == ["hours"]


class TestSpread:
    @pytest.mark.parametrize("seconds", [1, 7, 59, 60, 1800, 3599, 3600, 3601, 86_400])
    @pytest.mark.parametrize("count", [2, 3, 50, 1000])
    def test_the_times_of_an_interval_are_counted_exactly(self, seconds: int, count: int) -> None:
        first = datetime(2026, 11, 28, 10, 59, 59, 123457, tzinfo=UTC)
        ticks = [first + number * seconds * SECOND for number in range(count)]
        since, until = first.replace(minute=0, second=0, microsecond=0), datetime(2026, 11, 30, tzinfo=UTC)
        expected = Counter(
            tick.replace(minute=0, second=0, microsecond=0) for tick in ticks if since <= tick < until
        )
        assert hourly.spread(ticks[0], ticks[-1], count, since=since, until=until) == expected

    def test_one_time_is_in_its_hour(self) -> None:
        at = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
        assert hourly.spread(at, at, 3, since=at, until=at + HOUR) == {at: 3}
        assert hourly.spread(at, at, 1, since=at + HOUR, until=at + 2 * HOUR) == {}
