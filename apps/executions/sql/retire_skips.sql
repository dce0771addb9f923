-- Delete a batch of a tenant's skips that are old as a whole (one that reaches into what is kept stays), and remember what
-- they counted, for the totals do not go down.
WITH gone AS MATERIALIZED (
    DELETE FROM executions_skip
    WHERE id = ANY (ARRAY(
        SELECT id FROM executions_skip
        WHERE tenant_id = %(tenant_id)s AND last < %(cutoff)s
        ORDER BY last
        LIMIT %(limit)s
    ))
    RETURNING tenant_id, count, reason, epoch
), remembered AS (
    INSERT INTO executions_tenanttotals AS t (tenant_id, retired_found, retired_skipped)
    SELECT tenant_id, sum(count), coalesce(sum(count) FILTER (WHERE reason NOT IN ('edited', 'cancelled')), 0)
    FROM gone
    WHERE epoch IS NOT NULL
    GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET
        retired_found = t.retired_found + excluded.retired_found,
        retired_skipped = t.retired_skipped + excluded.retired_skipped
)
SELECT count(*) FROM gone
