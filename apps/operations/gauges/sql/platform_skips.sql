-- For each platform of each user, the ticks of its monitoring job that were skipped in the last hour (of a range that began
-- before it, the last one), and the reconciles that passed it over for anything but that its job is there. By the indexes
-- job_one_per_connected_platform, skip_once_per_tick and audit_of_repairs.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), ticks AS (
    SELECT job.tenant_id, coalesce(job.user_id, job.legacy_user_id::text) AS user_key, job.platform, skipped.n
    FROM jobs_job AS job
    CROSS JOIN LATERAL (
        SELECT
            sum(CASE WHEN skip.first > (SELECT now FROM clock) - interval '1 hour' THEN skip.count ELSE 1 END) AS n
        FROM executions_skip AS skip
        WHERE skip.job_id = job.id
          AND skip.last > (SELECT now FROM clock) - interval '1 hour'
          AND skip.last <= (SELECT now FROM clock)
    ) AS skipped
    WHERE job.task_category = %(platform_category)s AND job.deleted_at IS NULL AND skipped.n > 0
), reconciled AS (
    SELECT audited.tenant_id, audited.object_id AS user_key, ensured.key AS platform, 1 AS n
    FROM tenants_auditentry AS audited
    CROSS JOIN LATERAL jsonb_each_text(coalesce(audited.data -> 'ensured', '{}')) AS ensured
    WHERE audited.action = 'platforms.reconcile' AND audited.at > (SELECT now - interval '1 hour' FROM clock)
      AND ensured.value <> ALL (%(in_order)s::text[])
), summed AS (
    SELECT sum(n) AS n
    FROM (SELECT * FROM ticks UNION ALL SELECT * FROM reconciled) AS passed
    GROUP BY tenant_id, user_key, platform
)
SELECT 'scheduler_platform_skips_last_hour', coalesce(max(n), 0)::float8 FROM summed
