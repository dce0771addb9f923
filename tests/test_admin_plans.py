"""What the operators' pages read of large tables: rows by an index, and no more of them than a window has.

The plans are those of Postgres for the queries that the pages really made, run once more under EXPLAIN ANALYZE.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.executions import admin_windows
from apps.executions.models import Attempt, Counter, Execution, ExecutionLog, Skip
from apps.jobs.models import Job
from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.operations.models import BreakGlass
from apps.tenants import operators, windows
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry, Tenant
from tests.admin_rows import PUBLIC, page

pytestmark = pytest.mark.django_db
ROWS = 24_000  # of each large table, in five days; of the ledger a twentieth of each of our tenants
WINDOW, LISTED = 600, 300  # instead of LATEST and COUNTED
LARGE = (
    "executions_executionlog",
    "executions_attempt",
    "executions_skip",
    "executions_counter",
    "tenants_auditentry",
)

_SEED = """
INSERT INTO tenants_tenant (id, schema_name, name, plan_id, status)
SELECT 1000000 + n, 'other' || n, 'Other ' || n, %(plan)s, 'active' FROM generate_series(0, 36) AS n;
CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS
SELECT 5000000 + n AS id, CASE WHEN n %% 4 = 0 THEN %(bravo)s ELSE %(acme)s END AS tenant_id, 1 + n %% 40 AS job_id,
    CASE n %% 20 WHEN 0 THEN %(bravo)s WHEN 1 THEN %(acme)s ELSE 1000000 + n %% 37 END AS any_tenant,
    CASE WHEN n %% 4 = 0 THEN %(bravos_job)s ELSE %(acmes_job)s END AS real_job,
    now() - interval '4 days' + n * interval '14 s' AS at,
    CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'success' END AS status
FROM generate_series(1, %(rows)s) AS n;
INSERT INTO executions_executionlog (id, tenant_id, job_id, job_name, kind, scheduled_for, run_at, task_type, target,
    status, attempts, finished_at, created_at)
SELECT id, any_tenant, job_id, 'job ' || job_id, 'scheduled', at, at, 'http_check', 'http_check', status, 1, at, at
FROM seeded;
INSERT INTO executions_attempt (execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, finished_at,
    outcome)
SELECT id, at, any_tenant, 1, 'w', gen_random_uuid(), at, 'lost' FROM seeded;
INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, created_at)
SELECT tenant_id, real_job, at, at, 1, 'misfire', at FROM seeded;
INSERT INTO executions_counter (tenant_id, user_key, task_type, status, hour, n)
SELECT tenant_id, 'user-' || id, 'http_check', status, date_trunc('hour', at) - interval '7 days', 1 FROM seeded;
INSERT INTO tenants_auditentry (tenant_id, at, actor, action, object_type, object_id, reason, data)
SELECT tenant_id, at, 'somebody', 'job.update', 'job', job_id::text, '', '{}' FROM seeded;
ANALYZE executions_executionlog, executions_attempt, executions_skip, executions_counter, tenants_auditentry
"""


@pytest.fixture
def seeded(acme: Any, bravo: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "acme": acme.pk,
        "bravo": bravo.pk,
        "acmes_job": rows["acme"][Job].pk,
        "bravos_job": rows["bravo"][Job].pk,
        "plan": acme.plan_id,
        "rows": ROWS,
    }
    with all_tenants_scope(), connection.cursor() as cursor:
        for statement in _SEED.split(";\n"):
            cursor.execute(statement, names)
    monkeypatch.setattr(operators, "COUNTED", LISTED)
    monkeypatch.setattr(admin_windows, "COUNTED", LISTED)
    monkeypatch.setattr(windows.WindowedAdmin, "latest_rows", WINDOW)


def reads(node: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(table, kind of scan, rows it looked at) of every scan of a plan."""
    if table := node.get("Relation Name"):
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield table, node["Node Type"], round((node["Actual Rows"] + removed) * node["Actual Loops"])
    for child in node.get("Plans", ()):
        yield from reads(child)


def plans(path: str, browser: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each query that the page makes on a large table."""
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200, path
    for query in queries:
        sql = query["sql"]
        if sql.startswith(("SELECT", "--")) and any(table in sql for table in LARGE):
            with all_tenants_scope(), connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".replace("%", "%%"), [])
                (found,) = cursor.fetchone()
            yield sql, (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def test_no_page_reads_a_large_table_through(seeded: None, browser: Client, acme: Any, bravo: Any) -> None:
    ledger, ours, theirs = page(ExecutionLog), f"tenant__id__exact={acme.pk}", f"tenant__id__exact={bravo.pk}"
    paths = [
        "/admin/",
        ledger,
        f"{ledger}?p=3",
        f"{ledger}?status__exact=failed",
        f"{ledger}?kind__exact=backfill",
        f"{ledger}?{ours}",
        f"{ledger}?{theirs}",
        f"{ledger}?{theirs}&status__exact=failed",
        f"{ledger}?{ours}&kind__exact=retry",
        f"{ledger}?q=7",
        f"{ledger}?q=5000007",
        f"{ledger}?q=job",
        f"{ledger}?q=nothing",
        page(Attempt),
        f"{page(Attempt)}?outcome__exact=timeout",
        f"{page(Attempt)}?{theirs}",
        f"{page(Attempt)}?q=5000007",
        page(Skip),
        f"{page(Skip)}?reason__exact=quota",
        f"{page(Skip)}?{theirs}",
        f"{page(Skip)}?q=7",
        page(Counter),
        f"{page(Counter)}?status=failed",
        f"{page(Counter)}?q=nothing",
        page(AuditEntry),
        f"{page(AuditEntry)}?q=nobody",
        f"{page(AuditEntry)}?{ours}",
        *(page(model) for model in (Tenant, Job, Execution, LeaderTerm, SchedulerEvent, BreakGlass)),
        page(Tenant, "change", acme.pk),
        page(ExecutionLog, "change", 5_000_007),
        f"{reverse('admin:retry_failures', PUBLIC)}?tenant=acme",
    ]
    wrong = []
    for path in paths:
        for sql, plan in plans(path, browser):
            for table, scan, looked_at in reads(plan):
                if not table.startswith(LARGE):
                    continue
                partitioned = table.startswith(LARGE[:2])
                # Of small tables and dense tenants Postgres may read on until it has a page; not of the ledger.
                through = scan == "Seq Scan" and looked_at > LISTED
                if looked_at > (2 * WINDOW if partitioned else ROWS / 4) or (partitioned and through):
                    wrong.append(f"{path}: {scan} of {looked_at:,} rows of {table} for {sql[:300]}")
    assert not wrong, "\n".join(wrong)


def test_a_filtered_list_finds_the_latest_and_all_of_a_job(seeded: None, browser: Client, bravo: Any) -> None:
    def found(query: str) -> list[int]:
        listed = browser.get(f"{page(ExecutionLog)}?{query}").context["cl"]
        return [row.pk for row in listed.result_list]

    newest = 5_000_000 + ROWS
    assert found("") == list(range(newest, newest - 50, -1))
    assert found("status__exact=failed") == list(range(newest, newest - WINDOW, -50))
    assert found(f"tenant__id__exact={bravo.pk}&status__exact=success")[:2] == [newest - 20, newest - 40]
    assert found("q=5000007") == [5_000_007]
    assert found("q=7")[:2] == [newest - 34, newest - 74]
