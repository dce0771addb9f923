-- Counters have cells of an hour: all of this one, and of the one before as much as lies in the last 60 minutes. By the
-- index counter_of_tenant, once for each tenant.
WITH clock AS MATERIALIZED (
    SELECT
        date_trunc('hour', clock_timestamp(), 'UTC') AS hour,
        extract(epoch FROM clock_timestamp() - date_trunc('hour', clock_timestamp(), 'UTC')) / 3600 AS passed
)
SELECT format('scheduler_executions_last_hour{status="%%s"}', cell.status), sum(cell.n)::float8
FROM clock, tenants_tenant AS tenant
CROSS JOIN LATERAL (
    SELECT
        counter.status,
        counter.n * CASE WHEN counter.hour >= (SELECT hour FROM clock) THEN 1 ELSE 1 - (SELECT passed FROM clock) END AS n
    FROM executions_counter AS counter
    WHERE counter.tenant_id = tenant.id
      AND counter.hour >= (SELECT hour FROM clock) - interval '1 hour'
      AND counter.hour <= (SELECT hour FROM clock)
    OFFSET 0
) AS cell
GROUP BY cell.status
