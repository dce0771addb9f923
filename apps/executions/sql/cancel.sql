-- Cancel one execution, whatever it is doing: out of the queue and into the ledger, as failed, in one statement. The row is
-- locked by its id and deleted as it is at that moment, with the token that it then has: of a completion, a claim and a
-- cancellation that meet, one comes first, and the others find no such row or no such token. Its worker is told by name.
WITH gone AS MATERIALIZED (
    DELETE FROM executions_execution
    WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    RETURNING *, clock_timestamp() AS finished_at
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        id, scheduled_for, tenant_id, attempt, worker, lease_token, leased_at, finished_at, 'cancelled', %(sentence)s
    FROM gone
    WHERE state <> 'pending'
), logged AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempts, started_at, finished_at, execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, 'failed', %(sentence)s, attempt, leased_at, finished_at,
        round(extract(epoch FROM finished_at - leased_at) * 1000)::integer, worker, created_at
    FROM gone
    ON CONFLICT DO NOTHING
    RETURNING id
), done AS MATERIALIZED (
    SELECT gone.* FROM gone JOIN logged ON logged.id = gone.id
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result, error_text)
    SELECT id, scheduled_for, tenant_id, NULL, %(words)s
    FROM done
    WHERE %(words)s::text IS NOT NULL
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, 'failed',
        date_trunc('hour', scheduled_for, 'UTC'), 1, (kind = 'scheduled' AND epoch IS NOT NULL)::integer
    FROM done
), noted AS (
    -- It ended as failed, but says nothing of the job: it is no failure in a row.
    INSERT INTO executions_outcomenote (
        tenant_id, job_id, execution_id, status, error_message, finished_at, successes, failures, trailing_failures
    )
    SELECT tenant_id, job_id, id, 'failed', %(sentence)s, finished_at, 0, 1, 0
    FROM done
    WHERE kind <> 'backfill'  -- as in complete
), told AS (
    SELECT pg_notify('scheduler_cancelled', worker) FROM gone WHERE worker IS NOT NULL
)
SELECT state, attempt, worker, (SELECT count(*) FROM told) FROM gone
