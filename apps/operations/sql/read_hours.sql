-- Finished executions of all tenants by hour and status, from the counters, beginning with the hour `since`.
SELECT hour, status, sum(n)::bigint
FROM executions_counter
WHERE hour >= %(since)s
GROUP BY hour, status
