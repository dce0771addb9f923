-- By the index skip_of_tenant, once for each tenant.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
SELECT format('scheduler_skips_last_hour{reason="%%s"}', skipped.reason), sum(skipped.count)::float8
FROM tenants_tenant AS tenant
CROSS JOIN LATERAL (
    SELECT skip.reason, skip.count
    FROM executions_skip AS skip
    WHERE skip.tenant_id = tenant.id
      AND skip.last > (SELECT now FROM clock) - interval '1 hour'
      AND skip.last <= (SELECT now FROM clock)
    OFFSET 0
) AS skipped
GROUP BY skipped.reason
