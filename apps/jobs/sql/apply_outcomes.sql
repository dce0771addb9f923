-- Tell the cursors how their jobs' executions ended. Notes may come late and out of order: the newest by finished_at wins, a
-- success ends the run of failures unless a failure is already known after it, and a failure counts unless a success is.
-- Returns each job with what the journal says of it.
WITH told AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(job_ids)s::bigint[], %(statuses)s::text[], %(finished_ats)s::timestamptz[], %(success_ats)s::timestamptz[],
        %(failure_ats)s::timestamptz[], %(reasons)s::text[], %(streaks)s::integer[]
    ) AS told (job_id, status, finished_at, success_at, failure_at, reason, streak)
)
UPDATE jobs_cursor AS cursor
SET last_status = CASE
        WHEN cursor.last_finished_at > told.finished_at THEN cursor.last_status ELSE told.status END,
    last_finished_at = greatest(cursor.last_finished_at, told.finished_at),
    last_success_at = greatest(cursor.last_success_at, told.success_at),
    last_failure_at = greatest(cursor.last_failure_at, told.failure_at),
    failure_reason = CASE
        WHEN told.failure_at IS NULL OR cursor.last_failure_at > told.failure_at
        THEN cursor.failure_reason ELSE told.reason END,
    consecutive_failures = CASE
        WHEN told.success_at >= coalesce(cursor.last_failure_at, '-infinity') THEN told.streak
        WHEN told.failure_at < cursor.last_success_at THEN cursor.consecutive_failures
        ELSE cursor.consecutive_failures + told.streak END
FROM told
JOIN jobs_job AS job ON job.id = told.job_id
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND job.id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = told.job_id
RETURNING
    cursor.job_id, cursor.tenant_id, job.name, job.task_type, job.user_id, job.legacy_user_id,
    extract(epoch FROM clock_timestamp() - cursor.journaled_at)::float8 AS journal_age, cursor.consecutive_failures
