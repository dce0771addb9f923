-- Take back whatever the counters have of some hours, of one tenant or of all, as deltas below zero: the rows they counted
-- are going, or gone. Not while deltas of these hours wait to be folded (`waiting`): they would be counted again.
WITH waiting AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM executions_delta
        WHERE hour >= %(begins)s AND hour < %(ends)s AND (%(tenant_id)s::bigint IS NULL OR tenant_id = %(tenant_id)s)
    ) AS yes
), retired AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired, retired)
    SELECT c.tenant_id, c.user_key, c.task_type, c.status, c.hour, -c.n, -c.fired, true
    FROM tenants_tenant AS t
    CROSS JOIN LATERAL (  -- tenant by tenant: the index on hours is one of each tenant's
        SELECT *
        FROM executions_counter AS c
        WHERE c.tenant_id = t.id AND c.hour >= %(begins)s AND c.hour < %(ends)s
        OFFSET 0
    ) AS c
    WHERE (%(tenant_id)s::bigint IS NULL OR t.id = %(tenant_id)s) AND NOT (SELECT yes FROM waiting)
    RETURNING n
)
SELECT (SELECT yes FROM waiting), (SELECT coalesce(-sum(n), 0)::bigint FROM retired)
