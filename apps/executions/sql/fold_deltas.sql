-- Move the oldest deltas into the counters, the tallies that are their sums, and the tenants' totals. Totals of a term
-- start anew with another epoch, and what was imported is no work of the term.
WITH taken AS MATERIALIZED (
    DELETE FROM executions_delta
    WHERE id = ANY (ARRAY(SELECT id FROM executions_delta ORDER BY id LIMIT %(limit)s))
    RETURNING tenant_id, user_key, task_type, status, hour, n, imported
), cells AS (
    INSERT INTO executions_counter AS c (tenant_id, user_key, task_type, status, hour, n)
    SELECT tenant_id, user_key, task_type, status, hour, sum(n)
    FROM taken
    GROUP BY tenant_id, user_key, task_type, status, hour
    ON CONFLICT (tenant_id, user_key, task_type, status, hour) DO UPDATE SET n = c.n + excluded.n
), tallies AS (
    INSERT INTO executions_tally AS t (tenant_id, user_key, status, n)
    SELECT tenant_id, user_key, status, sum(n)
    FROM taken
    GROUP BY GROUPING SETS ((tenant_id, user_key, status), (tenant_id, status))
    ON CONFLICT (tenant_id, user_key, status) DO UPDATE SET n = t.n + excluded.n
), totals AS (
    INSERT INTO executions_tenanttotals AS t (
        tenant_id, tasks_executed, tasks_failed, term_epoch, term_executed, term_failed, updated_at
    )
    SELECT
        tenant_id, executed, failed, %(epoch)s, executed_here, failed_here, clock_timestamp()
    FROM (
        SELECT
            tenant_id,
            coalesce(sum(n) FILTER (WHERE status = 'success'), 0) AS executed,
            coalesce(sum(n) FILTER (WHERE status = 'failed'), 0) AS failed,
            coalesce(sum(n) FILTER (WHERE status = 'success' AND NOT imported), 0) AS executed_here,
            coalesce(sum(n) FILTER (WHERE status = 'failed' AND NOT imported), 0) AS failed_here
        FROM taken
        GROUP BY tenant_id
    ) AS sums
    ON CONFLICT (tenant_id) DO UPDATE SET
        tasks_executed = t.tasks_executed + excluded.tasks_executed,
        tasks_failed = t.tasks_failed + excluded.tasks_failed,
        term_checks = CASE WHEN t.term_epoch = excluded.term_epoch THEN t.term_checks ELSE 0 END,
        term_found = CASE WHEN t.term_epoch = excluded.term_epoch THEN t.term_found ELSE 0 END,
        term_skipped = CASE WHEN t.term_epoch = excluded.term_epoch THEN t.term_skipped ELSE 0 END,
        term_executed =
            CASE WHEN t.term_epoch = excluded.term_epoch THEN t.term_executed ELSE 0 END + excluded.term_executed,
        term_failed =
            CASE WHEN t.term_epoch = excluded.term_epoch THEN t.term_failed ELSE 0 END + excluded.term_failed,
        term_epoch = excluded.term_epoch,
        updated_at = excluded.updated_at
)
SELECT
    count(*),
    coalesce(sum(n) FILTER (WHERE status = 'success'), 0)::bigint,
    coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)::bigint
FROM taken
