-- What each of these tenants uses now, whatever the length of its history: jobs, executions that run, those that its
-- plan was charged today (UTC), those that finished today, and jobs that keep failing or are quarantined.
SELECT
    tenant_id,
    (SELECT count(*) FROM jobs_job AS j WHERE j.tenant_id = wanted.tenant_id AND j.deleted_at IS NULL),
    (SELECT count(*) FROM executions_execution AS e WHERE e.tenant_id = wanted.tenant_id AND e.state = 'leased'),
    (
        SELECT coalesce(sum(u.n), 0)::bigint FROM executions_usage AS u
        WHERE u.tenant_id = wanted.tenant_id AND u.period = 'day' AND u.begins = %(day)s
    ),
    (
        SELECT coalesce(sum(c.n), 0)::bigint FROM executions_counter AS c
        WHERE c.tenant_id = wanted.tenant_id AND c.hour >= %(day)s
    ),
    (
        SELECT count(*) FROM jobs_cursor AS c JOIN jobs_job AS j ON j.id = c.job_id
        WHERE c.tenant_id = wanted.tenant_id AND j.deleted_at IS NULL
          AND (c.consecutive_failures >= %(failures)s OR c.quarantined_at IS NOT NULL)
    )
FROM unnest(%(tenant_ids)s::bigint[]) AS wanted (tenant_id)
