-- Finish executions: out of the queue, into the ledger, with output, attempt, counters' deltas and notes to the jobs.
-- Rows whose token is no longer theirs are left alone (stale); a tick that the ledger has already is not written again.
-- A backfill leaves no note: how old times ended says nothing of how the job is doing.
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(batch)s::json) AS g (
        id bigint, token uuid, status text, outcome text, error_message text,
        started float8, finished float8, result jsonb, error_text text
    )
), gone AS MATERIALIZED (
    DELETE FROM executions_execution AS e
    USING given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING
        e.*, g.status, g.outcome, g.error_message, g.result, g.error_text,
        to_timestamp(g.started) AS started_at, to_timestamp(g.finished) AS finished_at,
        round((g.finished - g.started) * 1000)::integer AS execution_time_ms
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome, error_message
    FROM gone
), logged AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempts, started_at, finished_at, execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempt, started_at, finished_at, execution_time_ms, worker, created_at
    FROM gone
    ON CONFLICT DO NOTHING
    RETURNING id
), done AS MATERIALIZED (
    SELECT gone.*, max(gone.finished_at) FILTER (WHERE gone.status = 'success' AND gone.kind <> 'backfill')
        OVER (PARTITION BY job_id) AS succeeded_at
    FROM gone
    JOIN logged ON logged.id = gone.id
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result, error_text)
    SELECT id, scheduled_for, tenant_id, result, error_text
    FROM done
    WHERE result IS NOT NULL OR error_text IS NOT NULL
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
        date_trunc('hour', scheduled_for, 'UTC'), count(*)
    FROM done
    GROUP BY 1, 2, 3, 4, 5
), noted AS (
    INSERT INTO executions_outcomenote (
        tenant_id, job_id, execution_id, status, error_message, finished_at, successes, failures, trailing_failures
    )
    SELECT
        tenant_id,
        job_id,
        (array_agg(id ORDER BY finished_at DESC, id DESC))[1],
        (array_agg(status ORDER BY finished_at DESC, id DESC))[1],
        (array_agg(error_message ORDER BY finished_at DESC, id DESC))[1],
        max(finished_at),
        count(*) FILTER (WHERE status = 'success'),
        count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status = 'failed' AND (succeeded_at IS NULL OR finished_at > succeeded_at))
    FROM done
    WHERE kind <> 'backfill'
    GROUP BY tenant_id, job_id
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM gone), (SELECT count(*) FROM logged)
