-- Delete a batch of what a tenant was charged in minutes and days that no quota looks at any more.
WITH gone AS (
    DELETE FROM executions_usage
    WHERE id = ANY (ARRAY(
        SELECT id FROM executions_usage
        WHERE tenant_id = %(tenant_id)s AND (
            (period = 'minute' AND begins < clock_timestamp() - %(minutes_kept)s::interval)
            OR (period = 'day' AND begins < clock_timestamp() - %(days_kept)s::interval)
        )
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT count(*) FROM gone
