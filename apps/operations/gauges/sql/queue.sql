-- One walk over the live rows, which are few unless there is a backlog. What waits for its suspended tenant to be resumed does
-- not wait for a worker.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), live AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE state = 'pending') AS pending,
        count(*) FILTER (WHERE state = 'leased') AS leased,
        min(run_at) FILTER (
            WHERE state = 'pending' AND run_at <= (SELECT now FROM clock)
              AND tenant_id <> ALL (ARRAY(SELECT id FROM tenants_tenant WHERE status <> 'active'))
        ) AS oldest,
        count(*) FILTER (WHERE state = 'leased' AND lease_expires_at < (SELECT now FROM clock)) AS expired
    FROM executions_execution
)
SELECT 'scheduler_queue_depth{state="pending"}', pending::float8 FROM live
UNION ALL
SELECT 'scheduler_queue_depth{state="leased"}', leased::float8 FROM live
UNION ALL
SELECT
    'scheduler_queue_oldest_seconds', coalesce(extract(epoch FROM (SELECT now FROM clock) - oldest), 0)::float8
FROM live
UNION ALL
SELECT 'scheduler_leases_expired', expired::float8 FROM live
