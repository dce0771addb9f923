-- Finish executions: out of the queue, into the ledger, with output, counters' deltas and notes to the jobs. The ledger's
-- row is the record of the last attempt. Rows whose token is no longer theirs are left alone (stale); a tick that the
-- ledger has already is not written again, only that it was attempted.
-- A backfill leaves no note: how old times ended says nothing of how the job is doing.
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(batch)s::json) AS g (
        id bigint, token uuid, status text, outcome text, error_message text,
        started float8, finished float8, result jsonb, error_text text, gone boolean
    )
), gone AS MATERIALIZED (
    DELETE FROM executions_execution AS e
    USING given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING
        e.*, g.status, g.outcome, g.error_message, g.result, g.error_text, g.gone AS endpoint_gone,
        to_timestamp(g.started) AS started_at, to_timestamp(g.finished) AS finished_at,
        round((g.finished - g.started) * 1000)::integer AS execution_time_ms
), logged AS MATERIALIZED (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, outcome, lease_token, attempts, started_at, finished_at,
        execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, outcome, lease_token, attempt, started_at, finished_at,
        execution_time_ms, worker, created_at
    FROM gone
    ON CONFLICT (job_id, scheduled_for, kind) WHERE kind IN ('scheduled', 'backfill') DO NOTHING
    RETURNING id
), repeated AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        gone.id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    FROM gone
    LEFT JOIN logged ON logged.id = gone.id
    WHERE logged.id IS NULL
), done AS MATERIALIZED (
    SELECT gone.*
    FROM gone
    JOIN logged ON logged.id = gone.id
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result, error_text)
    SELECT id, scheduled_for, tenant_id, result, error_text
    FROM done
    WHERE result IS NOT NULL OR error_text IS NOT NULL
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
        date_trunc('hour', scheduled_for, 'UTC'), count(*), count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)
    FROM done
    GROUP BY 1, 2, 3, 4, 5
), ended AS MATERIALIZED (
    SELECT
        job_id,
        max(finished_at) FILTER (WHERE status = 'success') AS succeeded_at,
        count(*) FILTER (WHERE status = 'success') AS successes,
        count(*) FILTER (WHERE status = 'failed') AS failures
    FROM done
    WHERE kind <> 'backfill'
    GROUP BY job_id
), noted AS (
    INSERT INTO executions_outcomenote (
        tenant_id, job_id, execution_id, status, error_message, finished_at, successes, failures, trailing_failures,
        gone_version
    )
    SELECT
        last.tenant_id, job_id, last.id, last.status, last.error_message, last.finished_at,
        ended.successes, ended.failures, coalesce(unbroken.failures, 0), unbroken.gone_version
    FROM (
        SELECT DISTINCT ON (job_id) job_id, tenant_id, id, status, error_message, finished_at
        FROM done
        WHERE kind <> 'backfill'
        ORDER BY job_id, finished_at DESC, id DESC
    ) AS last
    JOIN ended USING (job_id)
    LEFT JOIN (
        SELECT done.job_id, count(*) AS failures, max(content_version) FILTER (WHERE endpoint_gone) AS gone_version
        FROM done
        JOIN ended USING (job_id)
        WHERE kind <> 'backfill' AND status = 'failed'
          AND (ended.succeeded_at IS NULL OR finished_at > ended.succeeded_at)
        GROUP BY 1
    ) AS unbroken USING (job_id)
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM gone), (SELECT count(*) FROM logged)
