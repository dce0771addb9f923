-- Take the next due executions, each under a token of its own. Rows that another session is taking are skipped.
WITH due AS MATERIALIZED (
    SELECT id
    FROM executions_execution
    WHERE state = 'pending' AND rank IS NOT NULL
    ORDER BY rank, priority DESC, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE executions_execution
SET state = 'leased',
    attempt = attempt + 1,
    lease_token = gen_random_uuid(),
    leased_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 second',
    worker = %(worker)s
WHERE id = ANY (ARRAY(SELECT id FROM due))
RETURNING
    id, lease_token::text, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, target,
    epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
    attempt, lost, extract(epoch FROM leased_at)::float8
