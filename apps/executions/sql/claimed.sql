-- What this session's last claim took, in the order of the queue. After its commit: however long the client takes to
-- read, nobody waits for it. (The setting is the session's, and text is all that a setting can be.)
SELECT
    id, lease_token::text, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, target,
    epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
    attempt, lost, released, extract(epoch FROM leased_at)::float8, rank
FROM executions_execution
WHERE id = ANY (current_setting('scheduler.claimed')::bigint[]) AND state <> 'pending' AND worker = %(worker)s
ORDER BY rank, priority DESC, id
