-- Quarantined cursors have no next time: by the index cursor_next_of_tenant, once for each tenant.
SELECT 'scheduler_quarantined_jobs', coalesce(sum(found.n), 0)::float8
FROM tenants_tenant AS tenant
CROSS JOIN LATERAL (
    SELECT count(*) AS n
    FROM jobs_cursor AS cursor
    JOIN jobs_job AS job ON job.id = cursor.job_id
    WHERE cursor.tenant_id = tenant.id AND cursor.next_run_at IS NULL
      AND cursor.quarantined_at IS NOT NULL AND job.deleted_at IS NULL
) AS found
