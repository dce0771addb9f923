-- How far the ticks that a tenant's totals say were found and skipped are off its history, in cycles as that history has them.
-- As the repair counts it (`read_totals`), but with the counters' cells for the ledger. By the indexes counter_of_tenant,
-- execution_of_tenant, execution_running and skip_of_tenant.
WITH finished AS (
    SELECT coalesce(sum(fired), 0) AS fired
    FROM executions_counter
    WHERE tenant_id = %(tenant_id)s
), unfolded AS (
    SELECT coalesce(sum(fired) FILTER (WHERE NOT retired), 0) AS fired
    FROM executions_delta
    WHERE tenant_id = %(tenant_id)s
), live AS (
    SELECT sum(n) AS fired
    FROM (
        SELECT count(*) AS n
        FROM executions_execution
        WHERE state = 'pending' AND tenant_id = %(tenant_id)s AND kind = 'scheduled' AND epoch IS NOT NULL
        UNION ALL
        SELECT count(*)
        FROM executions_execution
        WHERE state = 'leased' AND tenant_id = %(tenant_id)s AND kind = 'scheduled' AND epoch IS NOT NULL
    ) AS by_state
), passed AS (
    SELECT
        coalesce(sum(count), 0) AS found,
        coalesce(sum(count) FILTER (WHERE reason NOT IN ('edited', 'cancelled')), 0) AS skipped
    FROM executions_skip
    WHERE tenant_id = %(tenant_id)s AND epoch IS NOT NULL
), history AS (
    SELECT
        totals.tasks_found, totals.tasks_skipped, totals.check_cycles,
        finished.fired + unfolded.fired + live.fired + passed.found + totals.retired_found AS found,
        passed.skipped + totals.retired_skipped AS skipped
    FROM executions_tenanttotals AS totals, finished, unfolded, live, passed
    WHERE totals.tenant_id = %(tenant_id)s
)
SELECT (
    greatest(abs(tasks_found - found), abs(tasks_skipped - skipped))
    / greatest(found / greatest(check_cycles, 1), 1)
)::float8
FROM history
