-- Nominal times of all tenants that were skipped, by the hour in which that was recorded and the reason, and how many rows
-- that is. No more than `most` rows are read, the latest.
SELECT date_trunc('hour', created_at, 'UTC'), reason, sum(count)::bigint, count(*)
FROM (
    SELECT created_at, reason, count FROM executions_skip
    WHERE created_at >= %(since)s
    ORDER BY created_at DESC
    LIMIT %(most)s
) AS latest
GROUP BY 1, 2
