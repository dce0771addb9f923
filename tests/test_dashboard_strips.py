"""What the list of jobs shows beside them: categories and strips of outcomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions.models import Execution, Skip
from apps.executions.recent import recent_outcomes
from apps.jobs import services
from apps.jobs.categories import label_of
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.contract.client import MemberClient
from tests.contract.records import Records, now
from tests.pulses import rows_read, set_on

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def bob(cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


@pytest.fixture
def made(cast: Any) -> Records:
    """Bob's."""
    return Records(cast.bob)


class TestCategories:
    def test_jobs_are_counted_by_category_and_status(
        self, alice: MemberClient, bob: MemberClient, cast: Any, other_cast: Any, made: Records
    ) -> None:
        made.job(task_category="platform_reports")
        set_on(made.job(task_category="platform_reports"), last_status="failed")
        set_on(made.job(task_category="platform_reports"), consecutive_failures=3)
        paused, gone = made.job(), made.job()
        services.job_pause(tenant=made.tenant, job_id=paused.pk, actor="tests")
        services.job_delete(tenant=made.tenant, job_id=gone.pk, actor="tests")
        Records(cast.alice).job(task_category="general")
        Records(other_cast.alice).job(task_category="elsewhere")
        zero = dict.fromkeys(("active", "paused", "failed", "needs_intervention", "completed"), 0)
        reports = {"category": "platform_reports", "label": "Platform reports", "job_count": 3} | zero
        general = {"category": "general", "label": "General", "job_count": 1} | zero
        said = bob.ok("jobs/categories")
        assert said == {
            "categories": [
                general | {"paused": 1},
                reports | {"active": 1, "failed": 1, "needs_intervention": 1},
            ],
            "total_jobs": 4,
        }
        [general_of_all, _] = alice.ok("jobs/categories/")["categories"]
        assert general_of_all == general | {"paused": 1, "active": 1, "job_count": 2}
        listed = alice.ok("jobs", task_category="platform_reports")
        assert (listed["total_count"], listed["total_jobs"]) == (3, 3)
        assert {job["task_category"] for job in listed["jobs"]} == {"platform_reports"}
        assert alice.ok("jobs", task_category="platform")["total_count"] == 0
        assert alice.get("jobs", task_category="a\x00b").status_code == 400

    def test_nobody_has_any(self, bob: MemberClient) -> None:
        assert bob.ok("jobs/categories") == {"categories": [], "total_jobs": 0}

    @pytest.mark.parametrize(
        ("category", "label"),
        [
            ("platform_insights", "Platform insights"),
            ("SEO", "SEO"),
            ("_", "_"),
            (" two  words", "Two words"),
        ],
    )
    def test_labels(self, category: str, label: str) -> None:
        assert label_of(category) == label


class TestOutcomes:
    def test_of_all_kinds_by_nominal_time(self, bob: MemberClient, made: Records) -> None:
        job, at = made.job(), now()
        quiet = made.job()
        skip = made.skip(job, at - 5 * HOUR, at - 3 * HOUR, 3)
        failed = made.finished(job, at - 2 * HOUR, error_text="a secret")
        success = made.finished(job, at - HOUR, result="a secret")
        running = made.live(job, at)
        waits = made.live(job, at + MINUTE, leased=False)
        old = made.finished(job, at - 40 * DAY)
        said = bob.ok("jobs/outcomes", job_id=f"{job.pk},{quiet.pk}")
        assert said["outcomes"][str(quiet.pk)] == []
        rows = said["outcomes"][str(job.pk)]
        assert [(row["id"], row["status"], row["state"]) for row in rows] == [
            (old.pk, "success", "finished"),
            (-skip.pk, "skipped", None),
            (failed.pk, "failed", "finished"),
            (success.pk, "success", "finished"),
            (running.pk, "running", "leased"),
            (waits.pk, "running", "pending"),
        ]
        assert {row["count"] for row in rows} == {1, 3}
        assert (rows[1]["reason"], rows[1]["kind"]) == ("misfire", None)
        times = [datetime.fromisoformat(rows[1][key]) for key in ("scheduled_for", "scheduled_until")]
        assert times == [skip.first, skip.last]
        assert (rows[3]["execution_time_ms"], rows[3]["kind"]) == (1000, "scheduled")
        latest = bob.ok("jobs/outcomes/", job_id=job.pk, count=2)["outcomes"][str(job.pk)]
        assert [row["id"] for row in latest] == [running.pk, waits.pk]

    def test_each_job_has_its_own(self, bob: MemberClient, made: Records) -> None:
        jobs, at = [made.job() for _ in range(3)], now()
        for n, job in enumerate(jobs):
            for days in range(n * 10):
                made.finished(job, at - days * DAY)
        said = bob.ok("jobs/outcomes", job_id=",".join(str(job.pk) for job in jobs), count=15)["outcomes"]
        assert [len(said[str(job.pk)]) for job in jobs] == [0, 10, 15]
        times = [row["scheduled_for"] for row in said[str(jobs[2].pk)]]
        assert times == sorted(times)
        assert datetime.fromisoformat(times[0]) == at - 14 * DAY

    def test_old_skips_and_waiting_runs_do_not_hide_what_finished_after_them(
        self, bob: MemberClient, made: Records
    ) -> None:
        weekly, at = made.job(), now()
        for days in (40, 50, 60):
            made.skip(weekly, at - days * DAY, at - days * DAY, 1)
        ran = [made.finished(weekly, at - days * DAY).pk for days in (20, 5)]
        rows = bob.ok("jobs/outcomes", job_id=weekly.pk, count=3)["outcomes"][str(weekly.pk)]
        assert [row["id"] for row in rows[1:]] == ran
        assert rows[0]["status"] == "skipped"

    def test_what_one_may_not_see_is_left_out(
        self, alice: MemberClient, bob: MemberClient, cast: Any, other_cast: Any, made: Records
    ) -> None:
        own, theirs, elsewhere = (
            records.job() for records in (made, Records(cast.alice), Records(other_cast.alice))
        )
        gone = made.job()
        services.job_delete(tenant=made.tenant, job_id=gone.pk, actor="tests")
        for records, job in (
            (made, own),
            (Records(cast.alice), theirs),
            (Records(other_cast.alice), elsewhere),
        ):
            records.finished(job, now())
        asked = ",".join(str(job.pk) for job in (own, theirs, elsewhere, gone)) + ",9999999"
        assert set(bob.ok("jobs/outcomes", job_id=asked)["outcomes"]) == {str(own.pk)}
        assert set(alice.ok("jobs/outcomes", job_id=asked)["outcomes"]) == {str(own.pk), str(theirs.pk)}
        charlie = MemberClient(other_cast.alice).ok("jobs/outcomes", job_id=asked)
        assert set(charlie["outcomes"]) == {str(elsewhere.pk)}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({}, "job_id"),
            ({"job_id": ""}, "job_id"),
            ({"job_id": "1,,2"}, "job_id"),
            ({"job_id": "x"}, "job_id"),
            ({"job_id": "-1"}, "job_id"),
            ({"job_id": str(2**63)}, "job_id"),
            ({"job_id": ",".join(str(n) for n in range(1, 102))}, "job_id"),
            ({"job_id": "1", "count": "0"}, "count"),
            ({"job_id": "1", "count": "51"}, "count"),
        ],
    )
    def test_what_is_refused(self, bob: MemberClient, query: dict[str, str], field: str) -> None:
        refused = bob.get("jobs/outcomes", **query)
        assert refused.status_code == 400
        assert set(refused.json()["errors"]) == {field}

    def test_a_hundred_are_taken(self, bob: MemberClient) -> None:
        assert bob.ok("jobs/outcomes", job_id=",".join(str(n) for n in range(1, 101))) == {"outcomes": {}}


LONG_AGO = """
INSERT INTO executions_executionlog (
    id, tenant_id, job_id, job_name, kind, scheduled_for, run_at, task_type, target, status, attempts, finished_at
)
SELECT 7000000 + n, %(tenant)s, (%(jobs)s::bigint[])[1 + n %% 10], 'job', 'scheduled',
    now() - n * interval '2 minutes', now(), 't', 't', 'success', 1, now()
FROM generate_series(1, 20000) AS n
"""
TABLES = ("executions_executionlog", "executions_execution", "executions_skip")


def test_strips_cost_what_they_show(cast: Any, made: Records) -> None:
    """By how many rows were looked at, not by the clock: of 20,000 executions of ten jobs, five are asked for."""
    jobs, at, looked = [made.job() for _ in range(10)], now(), []
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(LONG_AGO, {"tenant": made.tenant.pk, "jobs": [job.pk for job in jobs]})
        Execution.objects.bulk_create(made.live_row(job, at - n * MINUTE) for job in jobs for n in range(100))
        Skip.objects.bulk_create(
            made.skip_row(job, at - n * HOUR, at - n * HOUR, 1) for job in jobs for n in range(200)
        )
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with context["connection"].connection.cursor() as own:
            own.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", params)
            looked.append(rows_read(own.fetchone()[0][0]["Plan"], TABLES))
        return execute(sql, params, many, context)

    asked = [job.pk for job in jobs[:5]]
    with tenant_scope(made.tenant), connection.execute_wrapper(explained):
        found = recent_outcomes(tenant_id=made.tenant.pk, job_ids=asked, count=20)
    assert {job_id: len(rows) for job_id, rows in found.items()} == dict.fromkeys(asked, 20)
    assert len(looked) == 1
    # Besides what a job shows, each partition gives a first row, and what is newest there is not always of the job.
    assert looked[0] <= 5 * (3 * 20 + 10)
