-- Finish executions: out of the queue, into the ledger, with output, counters' deltas and notes to the jobs. The ledger's
-- row is the record of the last attempt. Rows whose token is no longer theirs are left alone (stale), and what is said of them
-- is not heard: the batch may have a good token of the same row, whose worker lost it and claimed it again. A tick that the
-- ledger has already is not written again, only that it was attempted.
-- A backfill leaves no note: how old times ended says nothing of how the job is doing.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(id)b::bigint[], %(token)b::uuid[], %(outcome)b::text[], %(started)b::float8[], %(finished)b::float8[],
        %(error_message)b::text[], %(result)b::text[], %(error_text)b::text[], %(gone)b::boolean[]
    ) AS given (id, token, outcome, started, finished, error_message, result, error_text, endpoint_gone)
), gone AS MATERIALIZED (
    DELETE FROM executions_execution AS e
    USING given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING
        e.*, g.outcome, g.started, g.finished, g.error_message, g.result, g.error_text, g.endpoint_gone
), logged AS MATERIALIZED (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, outcome, lease_token, attempts, started_at, finished_at,
        execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, CASE outcome WHEN 'success' THEN 'success' ELSE 'failed' END, nullif(error_message, ''),
        outcome, lease_token, attempt, to_timestamp(started), to_timestamp(finished),
        round((finished - started) * 1000)::integer, worker, created_at
    FROM gone
    ON CONFLICT (job_id, scheduled_for, (CASE kind WHEN 'scheduled' THEN 0 WHEN 'backfill' THEN -1 ELSE id END))
        WHERE job_id IS NOT NULL DO NOTHING
    RETURNING
        id, tenant_id, job_id, user_id, legacy_user_id, kind, scheduled_for, task_type, epoch, status, error_message,
        finished_at
), repeated AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        gone.id, gone.scheduled_for, gone.tenant_id, attempt, worker, lease_token, to_timestamp(started),
        to_timestamp(finished), outcome, nullif(gone.error_message, '')
    FROM gone
    LEFT JOIN logged ON logged.id = gone.id
    WHERE logged.id IS NULL
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result, error_text)
    SELECT gone.id, gone.scheduled_for, gone.tenant_id, nullif(result, '')::jsonb, nullif(error_text, '')
    FROM gone
    JOIN logged ON logged.id = gone.id
    WHERE result <> '' OR error_text <> ''
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
        date_trunc('hour', scheduled_for, 'UTC'), count(*), count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)
    FROM logged
    GROUP BY 1, 2, 3, 4, 5
), ended AS MATERIALIZED (
    SELECT
        job_id,
        max(finished_at) FILTER (WHERE status = 'success') AS succeeded_at,
        count(*) FILTER (WHERE status = 'success') AS successes,
        count(*) FILTER (WHERE status = 'failed') AS failures
    FROM logged
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
        FROM logged
        WHERE kind <> 'backfill'
        ORDER BY job_id, finished_at DESC, id DESC
    ) AS last
    JOIN ended USING (job_id)
    LEFT JOIN (
        SELECT logged.job_id, count(*) AS failures, max(gone.content_version) FILTER (WHERE endpoint_gone) AS gone_version
        FROM logged
        JOIN ended USING (job_id)
        JOIN gone ON gone.id = logged.id
        WHERE logged.kind <> 'backfill' AND logged.status = 'failed'
          AND (ended.succeeded_at IS NULL OR logged.finished_at > ended.succeeded_at)
        GROUP BY 1
    ) AS unbroken USING (job_id)
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM gone), (SELECT count(*) FROM logged)
