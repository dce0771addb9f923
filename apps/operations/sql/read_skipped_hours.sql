-- Nominal times of all tenants that were skipped, by the hour in which that was recorded and the reason.
SELECT date_trunc('hour', created_at, 'UTC'), reason, sum(count)::bigint
FROM executions_skip
WHERE created_at >= %(since)s
GROUP BY 1, 2
