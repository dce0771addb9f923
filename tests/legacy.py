"""Exports of a legacy system, their import, and rows as older releases left them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from apps.executions.models import ExecutionLog
from apps.tenants.context import all_tenants_scope

AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
_IDS = count(5 * 10**9)


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of these rows; what they leave out is a success in March 2024."""
    good = {"status": "success", "execution_date": AT.isoformat()}
    path.write_text("".join(json.dumps(good | row) + "\n" for row in rows))
    return path


def run_import(path: Path, tenant: str = "acme", **options: Any) -> dict[str, Any]:
    """The command's report."""
    out = StringIO()
    call_command("import_execution_logs", str(path), tenant=tenant, json=True, stdout=out, **options)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def rejected(path: Path) -> list[tuple[int, str]]:
    """Lines and reasons in the rejects file of an export."""
    lines = path.with_name(f"{path.name}.rejects.jsonl").read_text().splitlines()
    return [(row["line"], row["reason"]) for row in map(json.loads, lines)]


def ledger_row(tenant: Any, user_id: str | None, legacy_user_id: int | None, **columns: Any) -> ExecutionLog:
    """A row of the ledger, unsaved, with such ids."""
    values = {
        "id": next(_IDS),
        "tenant": tenant,
        "job_id": 1,
        "job_name": "j",
        "user_id": user_id,
        "legacy_user_id": legacy_user_id,
        "kind": "manual",
        "scheduled_for": AT,
        "run_at": AT,
        "task_type": "t",
        "target": "t",
        "status": "success",
        "attempts": 1,
        "finished_at": AT,
        "created_at": AT,
    }
    return ExecutionLog(**values | columns)


def history_partitions() -> set[str]:
    """The months and days of the ledger that have a partition, long past ones alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substr(relname, 25) FROM pg_class"
            " WHERE relname ~ '^executions_executionlog_20[0-9]{4,6}$' AND relkind = 'r'"
        )
        return {name for (name,) in cursor.fetchall() if name < f"{datetime.now(UTC):%Y%m}"}


@contextmanager
def history_removed() -> Iterator[None]:
    """Partitions made meanwhile are dropped: they would outlast the test."""
    before = history_partitions()
    try:
        yield
    finally:
        with all_tenants_scope(), connection.cursor() as cursor:
            for name in history_partitions() - before:
                for table in ("attempt", "executionlog", "executionoutput"):
                    cursor.execute(f"DROP TABLE IF EXISTS public.executions_{table}_{name}")


def old_release_writes(tenant: Any, number: int) -> dict[str, int]:
    """One row in every table that has a user, in the plain SQL of a release that knows the integer alone. Their ids.

    A platform job that fails again and again, a run of it that failed, one under way, a line of the journal, and the
    connection that it monitors.
    """
    of_run = "(tenant_id, job_id, job_name, legacy_user_id, kind, scheduled_for, run_at, task_type, target, "
    run = (
        "%(tenant)s, %(job)s, 'old', %(number)s, 'scheduled', now(), now(), 'gsc_insights', 'gsc_insights', "
    )
    statements = {
        "job": "INSERT INTO jobs_job (tenant_id, name, legacy_user_id, trigger_type, interval_seconds, anchor_at,"
        " target, task_type, task_category, platform) VALUES (%(tenant)s, 'old', %(number)s, 'interval', 3600, now(),"
        " 'gsc_insights', 'gsc_insights', 'platform_insights', 'gsc') RETURNING id",
        "cursor": "INSERT INTO jobs_cursor (job_id, tenant_id, consecutive_failures, last_status, last_failure_at)"
        " VALUES (%(job)s, %(tenant)s, 5, 'failed', now()) RETURNING job_id",
        "live": f"INSERT INTO executions_execution {of_run} content_version, timeout_seconds, max_attempts,"
        " retry_delay_seconds, retry_max_delay_seconds, state, lease_token, leased_at, lease_expires_at)"
        f" VALUES ({run} 1, 60, 1, 10, 60, 'leased', gen_random_uuid(), now(), now() + interval '1 hour') RETURNING id",
        "log": f"INSERT INTO executions_executionlog {of_run} id, status, attempts, finished_at)"
        f" VALUES ({run} nextval('executions_execution_id_seq'), 'failed', 1, now()) RETURNING id",
        "delta": "INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n) VALUES"
        " (%(tenant)s, '%(number)s', 'gsc_insights', 'failed', date_trunc('hour', now(), 'UTC'), 1) RETURNING id",
        "event": "INSERT INTO leadership_schedulerevent (tenant_id, event_type, job_id, job_type, legacy_user_id)"
        " VALUES (%(tenant)s, 'job_failed', %(job)s, 'gsc_insights', %(number)s) RETURNING id",
        "connection": f'INSERT INTO "{tenant.schema_name}".vault_connection (legacy_user_id, platform, label, settings)'
        " VALUES (%(number)s, 'gsc', '', '{}') RETURNING id",
    }
    made: dict[str, int] = {}
    with all_tenants_scope(), connection.cursor() as cursor:
        for name, text in statements.items():
            cursor.execute(text, {"tenant": tenant.pk, "number": number, "job": made.get("job")})
            made[name] = cursor.fetchone()[0]
    return made
