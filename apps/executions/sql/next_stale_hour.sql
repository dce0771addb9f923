-- A tenant's oldest hour from `since` on that its counters have and that is older than it is kept.
SELECT hour FROM executions_counter
WHERE tenant_id = %(tenant_id)s AND hour >= %(since)s AND hour < %(cutoff)s
ORDER BY hour LIMIT 1
