-- Make way for the next run of these jobs, whose cursors are held: what waits or runs of their schedule ends. One that was never
-- tried becomes a skip; whatever was tried fails in the ledger, as in executions/sql/cancel.sql: its row is deleted as it
-- is at this moment, with the token that it then has, and its worker is told by name. What somebody asked for by hand, a
-- backfill too, is none of the schedule's business.
--
-- A row that another session holds is just being claimed or finished. Its job is left alone, not waited for, and not
-- returned: the caller looks at it again.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(job_ids)s::bigint[], %(sentences)s::text[]) AS given (job_id, sentence)
), live AS MATERIALIZED (
    SELECT id, job_id
    FROM executions_execution
    WHERE job_id = ANY (%(job_ids)s::bigint[]) AND kind = 'scheduled'
), held AS MATERIALIZED (
    SELECT id
    FROM executions_execution
    WHERE id = ANY (ARRAY(SELECT id FROM live))
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), clear AS MATERIALIZED (
    SELECT job_id, sentence
    FROM given
    WHERE job_id <> ALL (ARRAY(SELECT job_id FROM live LEFT JOIN held USING (id) WHERE held.id IS NULL))
), gone AS MATERIALIZED (
    DELETE FROM executions_execution AS execution
    USING live JOIN clear USING (job_id)
    WHERE execution.id = ANY (ARRAY(SELECT id FROM held)) AND execution.id = live.id
    RETURNING execution.*, clear.sentence, clock_timestamp() AS finished_at
), skipped AS (
    INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, detail, epoch)
    SELECT tenant_id, job_id, scheduled_for, scheduled_for, 1, 'overlap', sentence, %(epoch)s
    FROM gone
    WHERE attempt = 0
    ON CONFLICT (job_id, first) DO NOTHING
    RETURNING tenant_id
), totalled AS (
    -- As in dispatch, which counts what it skips itself. That they were found has been counted.
    INSERT INTO executions_tenanttotals AS totals (tenant_id, tasks_skipped, term_epoch, term_skipped, updated_at)
    SELECT tenant_id, count(*), %(epoch)s, count(*), clock_timestamp()
    FROM skipped
    GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET
        tasks_skipped = totals.tasks_skipped + excluded.tasks_skipped,
        term_checks = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_checks ELSE 0 END,
        term_found = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_found ELSE 0 END,
        term_skipped = excluded.term_skipped
            + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_skipped ELSE 0 END,
        term_executed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_executed ELSE 0 END,
        term_failed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_failed ELSE 0 END,
        term_epoch = excluded.term_epoch,
        updated_at = excluded.updated_at
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT id, scheduled_for, tenant_id, attempt, worker, lease_token, leased_at, finished_at, 'cancelled', sentence
    FROM gone
    WHERE state <> 'pending'
), logged AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, status, error_message, attempts, started_at, finished_at, execution_time_ms, worker, created_at
    )
    SELECT
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type,
        target, epoch, 'failed', sentence, attempt, leased_at, finished_at,
        round(extract(epoch FROM finished_at - leased_at) * 1000)::integer, worker, created_at
    FROM gone
    WHERE attempt > 0
    ON CONFLICT DO NOTHING
    RETURNING
        id, tenant_id, job_id, error_message, finished_at, coalesce(user_id, legacy_user_id::text, '') AS user_key,
        task_type, date_trunc('hour', scheduled_for, 'UTC') AS hour, epoch
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT tenant_id, user_key, task_type, 'failed', hour, count(*), count(*) FILTER (WHERE epoch IS NOT NULL)
    FROM logged
    GROUP BY tenant_id, user_key, task_type, hour
), noted AS (
    -- It ended as failed, but says nothing of the job: it is no failure in a row.
    INSERT INTO executions_outcomenote (
        tenant_id, job_id, execution_id, status, error_message, finished_at, successes, failures, trailing_failures
    )
    SELECT tenant_id, job_id, max(id), 'failed', max(error_message), max(finished_at), 0, count(*), 0
    FROM logged
    GROUP BY tenant_id, job_id
), told AS (
    SELECT pg_notify('scheduler_cancelled', worker)
    FROM (SELECT DISTINCT worker FROM gone WHERE worker IS NOT NULL) AS worker
)
SELECT job_id, (SELECT count(*) FROM told) FROM clear
