-- Delete a batch of a tenant's imports that nobody has gone on with for long.
WITH gone AS (
    DELETE FROM executions_importrun
    WHERE id = ANY (ARRAY(
        SELECT id FROM executions_importrun
        WHERE tenant_id = %(tenant_id)s AND updated_at < clock_timestamp() - %(days_kept)s::interval
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT count(*) FROM gone
