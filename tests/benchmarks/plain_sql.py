"""What the tables themselves allow: the same rows moved by SQL alone, without a schedule, a lease or any totals."""

from __future__ import annotations

from typing import Any

import psycopg

Session = psycopg.Connection[tuple[Any, ...]]

DISPATCH = """
WITH due AS MATERIALIZED (
    SELECT job_id, next_run_at FROM jobs_cursor
    WHERE next_run_at <= (SELECT clock_timestamp()) ORDER BY lane, next_run_at LIMIT %(chunk)s
    FOR UPDATE
), made AS (
    INSERT INTO executions_execution (
        tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target, epoch,
        priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds, rank
    )
    SELECT
        job.tenant_id, job.id, job.name, job.user_id, job.legacy_user_id, 'scheduled', due.next_run_at, due.next_run_at,
        job.task_type, job.target, 1, job.priority, job.content_version, job.timeout_seconds, job.max_attempts,
        job.retry_delay_seconds, job.retry_max_delay_seconds, job.id
    FROM jobs_job AS job JOIN due ON due.job_id = job.id
    WHERE job.id = ANY (ARRAY(SELECT job_id FROM due))
)
UPDATE jobs_cursor SET next_run_at = next_run_at + interval '5 minutes'
WHERE job_id = ANY (ARRAY(SELECT job_id FROM due))
"""

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM executions_execution
    WHERE state = 'pending' AND rank IS NOT NULL
    ORDER BY rank, priority DESC, id LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
)
UPDATE executions_execution SET state = 'leased', attempt = 1, lease_token = gen_random_uuid()
WHERE id = ANY (ARRAY(SELECT id FROM due))
RETURNING id
"""

COMPLETE = """
WITH gone AS MATERIALIZED (
    DELETE FROM executions_execution WHERE id = ANY (%(ids)s::bigint[]) RETURNING *
)
INSERT INTO executions_executionlog (
    id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target, epoch,
    status, attempts, finished_at
)
SELECT
    id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target, epoch,
    'success', attempt, clock_timestamp()
FROM gone
"""


def dispatch(session: Session, *, chunk: int) -> int:
    """Dispatch until nothing is due; how many rows."""
    moved = total = session.execute(DISPATCH, {"chunk": chunk}).rowcount
    while moved == chunk:
        moved = session.execute(DISPATCH, {"chunk": chunk}).rowcount
        total += moved
    return total


def work(session: Session, *, batch: int) -> int:
    """Claim and complete until the queue is empty; how many rows."""
    total = 0
    while ids := [row[0] for row in session.execute(CLAIM, {"batch": batch}, prepare=True)]:
        session.execute(COMPLETE, {"ids": ids}, prepare=True)
        total += len(ids)
    return total
