"""What the pulse costs: its numbers are counted to a bound, and what it reads does not grow with the tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions import pulse as bounds
from apps.executions.models import Execution
from apps.jobs.models import Cursor, Job
from apps.tenants.context import all_tenants_scope
from tests.contract.records import Records, now
from tests.pulses import Watch, rows_read

HOUR = timedelta(hours=1)


@pytest.fixture
def watch(live_db: str, cast: Any, other_cast: Any) -> Watch:
    return Watch(cast, other_cast)


def test_numbers_are_counted_to_a_bound(watch: Watch, cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_WAITING", 20)
    with all_tenants_scope():
        columns = {
            "tenant": cast.tenant,
            "user_id": cast.vic.user_id,
            "trigger_type": "manual",
            "target": "t",
        }
        jobs = Job.objects.bulk_create(Job(name="job", task_type="t", **columns) for _ in range(105))
        Cursor.objects.bulk_create(
            Cursor(job=job, tenant=cast.tenant, consecutive_failures=3) for job in jobs
        )
        records, at = Records(cast.vic), now() - HOUR
        Execution.objects.bulk_create(
            records.live_row(jobs[0], at - timedelta(seconds=n), leased=False) for n in range(25)
        )
    for name, numbers in {"alice": (20, 100), "vic": (20, 100), "bob": (0, 0)}.items():
        pulse = watch.of(name)
        assert (pulse["waiting"], pulse["attention"]) == numbers, name
    with all_tenants_scope():
        Job.objects.filter(pk__gte=jobs[9].pk).update(deleted_at=now())
        Job.objects.filter(pk=jobs[0].pk).update(
            switch="paused", pause_reason="Its endpoint answered 410 Gone."
        )
        Cursor.objects.filter(job__in=jobs[:2]).update(consecutive_failures=1)
    assert [watch.of(name)["attention"] for name in ("alice", "vic", "bob")] == [8, 8, 0]


JOBS = """
INSERT INTO jobs_job (tenant_id, name, user_id, trigger_type, target, task_type, updated_at)
SELECT tenant, 'job ' || n, CASE n %% 100 WHEN 0 THEN %(vic)s ELSE 'user-' || n %% 7 END, 'manual', 't', 't',
    now() - n * interval '1 second'
FROM unnest(%(tenants)s::bigint[]) AS tenant, generate_series(1, 5000) AS n
"""
REST = """
WITH cursors AS (
    INSERT INTO jobs_cursor (job_id, tenant_id, consecutive_failures)
    SELECT id, tenant_id, CASE WHEN id %% 200 = 0 THEN 3 ELSE 0 END FROM jobs_job
), skips AS (
    INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason)
    SELECT tenant_id, id, now(), now(), 1, 'overlap' FROM jobs_job
), events AS (
    INSERT INTO leadership_schedulerevent (tenant_id, event_type) SELECT tenant_id, 'job_completed' FROM jobs_job
)
INSERT INTO executions_execution (
    tenant_id, job_id, job_name, user_id, kind, scheduled_for, run_at, task_type, target, content_version,
    timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds, rank
)
SELECT tenant_id, id, 'job', user_id, 'scheduled', now(), now(), 't', 't', 1, 60, 1, 1, 1, id FROM jobs_job
"""
BIG = ("jobs_job", "jobs_cursor", "executions_execution", "executions_skip", "leadership_schedulerevent")


def test_what_it_reads_does_not_grow_with_the_tenant(watch: Watch, cast: Any, other_cast: Any) -> None:
    """5,000 jobs, each waiting, in each of two tenants. Not the clock is asked but how many rows were looked at."""
    tenants = [cast.tenant.pk, other_cast.tenant.pk]
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(JOBS, {"tenants": tenants, "vic": cast.vic.user_id})
        cursor.execute("ANALYZE jobs_job")  # or each row's foreign key is looked for by a plan for few jobs
        cursor.execute(REST, {})
        cursor.execute(f"ANALYZE {', '.join(BIG)}")
    asked: list[str] = []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("WITH", "-- What moves")) or "schedulerevent" in sql:
            with context["connection"].connection.cursor() as own:
                own.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", params)
                asked.append(sql)
                looked.append(rows_read(own.fetchone()[0][0]["Plan"], BIG))
        return execute(sql, params, many, context)

    for name, statements, most in (("alice", 3, 1_000 + 50 + 50 + 50 + 4 * 50), ("vic", 2, 11_000)):
        asked, looked = [], []
        with connection.execute_wrapper(explained):
            pulse = watch.of(name)
        assert len(looked) == statements, asked
        assert sum(looked) <= most, looked
        assert pulse["waiting"] == (1000 if name == "alice" else 50)
