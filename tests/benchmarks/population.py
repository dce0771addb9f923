"""Jobs in bulk, with what their services would have written: the cursor with its lane, the content in the vault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

Session = psycopg.Connection[tuple[Any, ...]]
PAYLOAD = {"text": "p" * 185}  # 200 bytes as JSON

_JOBS = """
WITH made AS (
    INSERT INTO jobs_job (
        tenant_id, name, user_id, trigger_type, cron_expression, timezone, interval_seconds, anchor_at, target,
        task_type
    )
    SELECT
        (%(tenants)s::bigint[])[1 + n %% cardinality(%(tenants)s::bigint[])], 'job ' || n, 'user-' || n %% 100,
        %(trigger)s::text, CASE WHEN %(trigger)s::text = 'cron' THEN '*/5 * * * *' ELSE '' END,
        CASE WHEN %(trigger)s::text = 'cron'
            THEN (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'])[1 + n %% 4] ELSE 'UTC' END,
        CASE WHEN %(trigger)s::text = 'interval' THEN %(seconds)s::integer END,
        CASE WHEN %(trigger)s::text = 'interval' THEN date_trunc('second', clock_timestamp()) END,
        %(target)s::text, 'bench'
    FROM generate_series(0, %(jobs)s - 1) AS n
    RETURNING id, tenant_id
), cursors AS (
    INSERT INTO jobs_cursor (job_id, tenant_id, lane, next_run_at)
    SELECT
        id, tenant_id, length((row_number() OVER (PARTITION BY tenant_id ORDER BY id))::text),
        CASE WHEN %(later)s::boolean THEN clock_timestamp() + interval '1 day' END
    FROM made
)
SELECT id, tenant_id FROM made ORDER BY id
"""


def make_jobs(
    session: Session,
    tenants: Sequence[Any],
    jobs: int,
    *,
    target: str = "bench.noop",
    trigger: str = "cron",
    seconds: int = 3600,
    content: dict[str, Any] | None = None,
    later: bool = False,
) -> list[tuple[int, int]]:
    """Jobs spread evenly over `tenants`, due never, or `later`, in a day: (job, tenant) in order.

    `content` is kept in the vault.
    """
    params = {
        "tenants": [tenant.pk for tenant in tenants],
        "jobs": jobs,
        "trigger": trigger,
        "seconds": seconds,
        "target": target,
        "later": later,
    }
    made = session.execute(_JOBS, params).fetchall()
    if content is not None:
        _keep_contents(tenants, made, content)
    return [(job_id, tenant_id) for job_id, tenant_id in made]


def _keep_contents(tenants: Sequence[Any], made: Sequence[tuple[Any, ...]], content: dict[str, Any]) -> None:
    from apps.tenants.context import tenant_scope
    from apps.tenants.crypto import seal
    from apps.vault.labels import content_label
    from apps.vault.models import JobContent

    of_tenant: dict[int, list[int]] = {}
    for job_id, tenant_id in made:
        of_tenant.setdefault(tenant_id, []).append(job_id)
    for tenant in tenants:
        with tenant_scope(tenant):
            JobContent.objects.bulk_create(
                JobContent(
                    job_id=job, version=1, sealed=seal(tenant.schema_name, content_label(job, 1), content)
                )
                for job in of_tenant.get(tenant.pk, ())
            )


def executions(
    jobs: Sequence[tuple[int, int]], count: int, *, target: str = "bench.noop", first: int = 0
) -> list[Any]:
    """So many runs of these jobs in turn, due now and each at a nominal instant of its own."""
    from datetime import UTC, datetime, timedelta

    from apps.executions.queue import NewExecution

    now = datetime.now(UTC)
    return [
        NewExecution(
            tenant_id=tenant_id,
            job_id=job_id,
            job_name=f"job {job_id}",
            user_id=f"user-{job_id % 100}",
            legacy_user_id=None,
            kind="scheduled",
            scheduled_for=now - timedelta(microseconds=first + number + 1),
            run_at=now,
            task_type="bench",
            target=target,
            content_version=1,
            timeout_seconds=60,
            max_attempts=1,
            retry_delay_seconds=10,
            retry_max_delay_seconds=3600,
            epoch=1,
        )
        for number in range(count)
        for job_id, tenant_id in (jobs[number % len(jobs)],)
    ]


def put(session: Session, rows: Sequence[Any]) -> None:
    """Into the queue in one statement, which wakes the workers."""
    from apps.executions.queue import enqueue

    with session.cursor() as cursor:
        enqueue(cursor, rows)
