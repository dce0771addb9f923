-- Cancel what waits of a job that is going away, or of that the one execution `id`. A tick that was never tried becomes a
-- skip; whatever was tried, and what somebody asked for by hand, a backfill too, fails in the ledger, where who asked for it
-- can find it. A row that a worker is just claiming is waited for, found leased, and left alone.
WITH gone AS (
    DELETE FROM executions_execution
    WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND state = 'pending'
      AND (%(id)s::bigint IS NULL OR id = %(id)s)
    RETURNING *
), skipped AS (
    INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, detail, epoch)
    SELECT tenant_id, job_id, scheduled_for, scheduled_for, 1, %(reason)s, %(sentence)s, epoch
    FROM gone
    WHERE kind = 'scheduled' AND attempt = 0
    ON CONFLICT (job_id, first) DO NOTHING
), failed AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempts, finished_at, created_at)
    SELECT id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, 'failed', %(sentence)s, attempt, clock_timestamp(), created_at
    FROM gone
    WHERE kind <> 'scheduled' OR attempt > 0
    ON CONFLICT DO NOTHING  -- a tick that had ended before
    RETURNING tenant_id, coalesce(user_id, legacy_user_id::text, '') AS user_key, task_type, scheduled_for, kind, epoch
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT
        tenant_id, user_key, task_type, 'failed', date_trunc('hour', scheduled_for, 'UTC'), count(*),
        count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)
    FROM failed
    GROUP BY 1, 2, 3, 5
)
SELECT id FROM gone ORDER BY id
