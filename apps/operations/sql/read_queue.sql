-- The live executions by what they are at. Few, as a finished one leaves the table. What is due of a tenant that is not active
-- waits for it, and not for a worker.
WITH stopped AS MATERIALIZED (
    SELECT ARRAY(SELECT id FROM tenants_tenant WHERE status <> 'active') AS ids
)
SELECT
    count(*) FILTER (WHERE state = 'pending' AND run_at <= %(now)s AND tenant_id <> ALL (stopped.ids)),
    count(*) FILTER (WHERE state = 'pending' AND (run_at > %(now)s OR tenant_id = ANY (stopped.ids))),
    count(*) FILTER (WHERE state = 'leased' AND (lease_expires_at < %(now)s) IS NOT TRUE),
    count(*) FILTER (WHERE state = 'leased' AND lease_expires_at < %(now)s),
    min(run_at) FILTER (WHERE state = 'pending' AND run_at <= %(now)s AND tenant_id <> ALL (stopped.ids))
FROM executions_execution, stopped
