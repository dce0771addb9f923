-- The cursors that are due, longest due first, each with what planning and its executions need of the job. Always at least
-- one row: with nothing due it holds the clock and the next due time alone. The clock is read once, as a scalar sub-select:
-- called per row it could not bound the scan of index cursor_due. Jobs are fetched by an array of ids, whatever the
-- statistics say of either table.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), due AS MATERIALIZED (
    SELECT job_id, tenant_id, next_run_at, last_scheduled_for
    FROM jobs_cursor
    WHERE next_run_at <= (SELECT now FROM clock)
    ORDER BY next_run_at
    LIMIT %(chunk)s
), job AS MATERIALIZED (
    SELECT *
    FROM jobs_job
    WHERE id = ANY (ARRAY(SELECT job_id FROM due))
)
SELECT
    clock.now,
    (
        SELECT next_run_at FROM jobs_cursor
        WHERE next_run_at > (SELECT now FROM clock) ORDER BY next_run_at LIMIT 1
    ) AS next_due,
    due.job_id, due.tenant_id, due.next_run_at, due.last_scheduled_for,
    job.version, job.trigger_type, job.cron_expression, job.timezone, job.interval_seconds, job.anchor_at, job.run_date,
    job.dst_gap, job.dst_overlap, job.misfire, job.misfire_grace_seconds, job.overlap,
    job.name, job.user_id, job.legacy_user_id, job.task_type, job.target, job.priority, job.content_version,
    job.timeout_seconds, job.max_attempts, job.retry_delay_seconds, job.retry_max_delay_seconds,
    tenant.status = 'suspended' AS suspended
FROM clock
LEFT JOIN (
    due
    JOIN job ON job.id = due.job_id
    JOIN tenants_tenant AS tenant ON tenant.id = due.tenant_id
) ON true
ORDER BY due.next_run_at, due.job_id
