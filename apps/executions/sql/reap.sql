-- Take back expired leases. The execution waits again under the same id, or, when it has lost as many workers as it may,
-- goes to the ledger as failed. Rows that their worker is just renewing or completing are skipped. Those of `ids`, or all.
WITH expired AS MATERIALIZED (
    SELECT id, lost, lease_token, leased_at, worker
    FROM executions_execution
    WHERE state = 'leased' AND lease_expires_at < (SELECT clock_timestamp())
      AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
    ORDER BY lease_expires_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), again AS MATERIALIZED (
    UPDATE executions_execution
    SET state = 'pending', lost = lost + 1,
        lease_token = NULL, lease_expires_at = NULL, leased_at = NULL, worker = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM expired WHERE lost + 1 < %(max_lost)s))
    RETURNING id, scheduled_for, tenant_id, attempt
), gone AS MATERIALIZED (
    DELETE FROM executions_execution
    WHERE id = ANY (ARRAY(SELECT id FROM expired WHERE lost + 1 >= %(max_lost)s))
    RETURNING *, clock_timestamp() AS finished_at
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        ended.id, ended.scheduled_for, ended.tenant_id, ended.attempt, expired.worker, expired.lease_token,
        expired.leased_at, clock_timestamp(), 'lost', 'the worker''s lease expired'
    FROM (
        SELECT id, scheduled_for, tenant_id, attempt FROM again
        UNION ALL
        SELECT id, scheduled_for, tenant_id, attempt FROM gone
    ) AS ended
    JOIN expired ON expired.id = ended.id
), logged AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempts, started_at, finished_at, execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, 'failed', %(reason)s, attempt, leased_at, finished_at, NULL, worker, created_at
    FROM gone
    ON CONFLICT DO NOTHING
    RETURNING id
), done AS MATERIALIZED (
    SELECT gone.* FROM gone JOIN logged ON logged.id = gone.id
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, 'failed',
        date_trunc('hour', scheduled_for, 'UTC'), count(*), count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)
    FROM done
    GROUP BY 1, 2, 3, 5
), noted AS (
    INSERT INTO executions_outcomenote (
        tenant_id, job_id, execution_id, status, error_message, finished_at, successes, failures, trailing_failures
    )
    SELECT tenant_id, job_id, max(id), 'failed', %(reason)s, max(finished_at), 0, count(*), count(*)
    FROM done
    WHERE kind <> 'backfill'  -- as in complete
    GROUP BY tenant_id, job_id
), told AS (
    SELECT pg_notify('scheduler_work', '') FROM again LIMIT 1
)
SELECT
    (SELECT count(*) FROM again), (SELECT count(*) FROM gone), (SELECT count(*) FROM logged),
    (SELECT count(*) FROM told)
