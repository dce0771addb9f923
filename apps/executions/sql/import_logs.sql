-- Move what was staged into the ledger, with outputs and counters' deltas. A line whose id in the old system is in the
-- ledger already, at that time, is not written again. Returns how many were staged and how many written.
WITH staged AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('public.executions_execution', 'id')) AS id, s.*
    FROM (SELECT * FROM pg_temp.import_stage ORDER BY n) AS s
), logged AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target,
        status, error_message, attempts, started_at, finished_at, execution_time_ms, created_at, source_id
    )
    SELECT
        id, %(tenant_id)s, NULL, job_name, user_id, legacy_user_id, 'imported', started_at, started_at, task_type, '',
        status, CASE status WHEN 'failed' THEN 'it failed in the system it was imported from' END, 1, started_at,
        finished_at, execution_time_ms, created_at, source_id
    FROM staged
    ON CONFLICT (tenant_id, source_id, scheduled_for) WHERE source_id IS NOT NULL DO NOTHING
    RETURNING id
), done AS MATERIALIZED (
    SELECT staged.* FROM staged JOIN logged ON logged.id = staged.id
), stored AS (
    INSERT INTO executions_executionoutput (execution_id, scheduled_for, tenant_id, result, error_text)
    SELECT id, started_at, %(tenant_id)s, result, error_text
    FROM done
    WHERE result IS NOT NULL OR error_text IS NOT NULL
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, imported)
    SELECT
        %(tenant_id)s, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
        date_trunc('hour', started_at, 'UTC'), count(*), true
    FROM done
    GROUP BY 2, 3, 4, 5
)
SELECT (SELECT count(*) FROM staged), (SELECT count(*) FROM logged)
