-- Give a place to executions that waited for their time and have come due: that of `enqueue`, after their tenant's last
-- one of the same or a higher priority, but no earlier than the queue's clock. Rows that another worker is ranking are
-- skipped.
WITH due AS MATERIALIZED (
    SELECT id, tenant_id, job_id, priority, run_at, scheduled_for
    FROM executions_execution
    WHERE state = 'pending' AND rank IS NULL AND run_at <= (SELECT clock_timestamp())
    ORDER BY run_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), place AS MATERIALIZED (
    SELECT
        lane.tenant_id, lane.priority,
        greatest(
            (
                SELECT rank - 1 FROM executions_execution
                WHERE state = 'pending' AND rank IS NOT NULL
                ORDER BY rank LIMIT 1
            ),
            (
                SELECT waiting.rank FROM executions_execution AS waiting
                WHERE waiting.state = 'pending'  -- no more: see the index execution_of_tenant
                  AND waiting.tenant_id = lane.tenant_id AND waiting.priority >= lane.priority
                ORDER BY waiting.rank DESC NULLS LAST LIMIT 1
            ),
            0
        ) AS last
    FROM (SELECT DISTINCT tenant_id, priority FROM due) AS lane
), placed AS MATERIALIZED (
    SELECT
        id,
        last + row_number() OVER (
            PARTITION BY tenant_id ORDER BY priority DESC, run_at, scheduled_for, job_id
        ) AS rank
    FROM due
    JOIN place USING (tenant_id, priority)
), ranked AS (
    UPDATE executions_execution AS e
    SET rank = placed.rank
    FROM placed
    WHERE e.id = ANY (ARRAY(SELECT id FROM due)) AND e.id = placed.id
    RETURNING e.id
)
SELECT count(*) FROM ranked
