-- By the index skip_of_tenant, once for each tenant.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
SELECT format('scheduler_skips_last_hour{reason="%%s"}', skipped.reason), sum(skipped.n)::float8
FROM tenants_tenant AS tenant
CROSS JOIN LATERAL (
    SELECT skip.reason, sum(skip.count) AS n
    FROM executions_skip AS skip
    WHERE skip.tenant_id = tenant.id
      AND skip.last > (SELECT now FROM clock) - interval '1 hour'
      AND skip.last <= (SELECT now FROM clock)
    GROUP BY skip.reason
) AS skipped
GROUP BY skipped.reason
