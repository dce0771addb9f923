-- Move the oldest deltas into the counters, the tallies that are their sums, and the tenants' totals. Totals of a term
-- start anew with another epoch, and what was imported is no work of the term. What retention deleted is taken out of
-- counters and tallies, whose rows go when nothing is left, and leaves totals as they are.
WITH taken AS MATERIALIZED (
    DELETE FROM executions_delta
    WHERE id = ANY (ARRAY(SELECT id FROM executions_delta ORDER BY id LIMIT %(limit)s))
    RETURNING tenant_id, user_key, task_type, status, hour, n, fired, imported, retired
), by_cell AS MATERIALIZED (
    SELECT tenant_id, user_key, task_type, status, hour, sum(n) AS n, sum(fired) AS fired, bool_or(retired) AS retired
    FROM taken
    GROUP BY tenant_id, user_key, task_type, status, hour
    HAVING sum(n) <> 0 OR sum(fired) <> 0
), by_user AS MATERIALIZED (
    SELECT tenant_id, user_key, status, sum(n) AS n, bool_or(retired) AS retired
    FROM taken
    GROUP BY GROUPING SETS ((tenant_id, user_key, status), (tenant_id, status))
    HAVING sum(n) <> 0
), emptied_cells AS MATERIALIZED (
    DELETE FROM executions_counter
    WHERE id = ANY (ARRAY(
        SELECT c.id
        FROM by_cell
        JOIN executions_counter AS c USING (tenant_id, user_key, task_type, status, hour)
        WHERE by_cell.retired AND c.n + by_cell.n = 0
    ))
    RETURNING tenant_id, user_key, task_type, status, hour
), emptied_tallies AS MATERIALIZED (
    DELETE FROM executions_tally
    WHERE id = ANY (ARRAY(
        SELECT t.id
        FROM by_user
        JOIN executions_tally AS t USING (tenant_id, user_key, status)  -- the tenant's own, without a user, stay
        WHERE by_user.retired AND t.n + by_user.n = 0
    ))
    RETURNING tenant_id, user_key, status
), cells AS (
    INSERT INTO executions_counter AS c (tenant_id, user_key, task_type, status, hour, n, fired)
    SELECT tenant_id, user_key, task_type, status, hour, n, fired
    FROM by_cell
    WHERE (tenant_id, user_key, task_type, status, hour) NOT IN (SELECT * FROM emptied_cells)
    ON CONFLICT (tenant_id, user_key, task_type, status, hour)
        DO UPDATE SET n = c.n + excluded.n, fired = c.fired + excluded.fired
), tallies AS (
    INSERT INTO executions_tally AS t (tenant_id, user_key, status, n)
    SELECT tenant_id, user_key, status, n
    FROM by_user
    WHERE user_key IS NULL OR (tenant_id, user_key, status) NOT IN (SELECT * FROM emptied_tallies)
    ON CONFLICT (tenant_id, user_key, status) DO UPDATE SET n = t.n + excluded.n
), totals AS (
    INSERT INTO executions_tenanttotals AS t (
        tenant_id, tasks_executed, tasks_failed, term_epoch, term_executed, term_failed,
        retired_found, retired_executed, retired_failed, updated_at
    )
    SELECT
        tenant_id, executed, failed, %(epoch)s, executed_here, failed_here,
        retired_found, retired_executed, retired_failed, clock_timestamp()
    FROM (
        SELECT
            tenant_id,
            coalesce(sum(n) FILTER (WHERE status = 'success' AND NOT retired), 0) AS executed,
            coalesce(sum(n) FILTER (WHERE status = 'failed' AND NOT retired), 0) AS failed,
            coalesce(sum(n) FILTER (WHERE status = 'success' AND NOT retired AND NOT imported), 0) AS executed_here,
            coalesce(sum(n) FILTER (WHERE status = 'failed' AND NOT retired AND NOT imported), 0) AS failed_here,
            coalesce(-sum(fired) FILTER (WHERE retired), 0) AS retired_found,
            coalesce(-sum(n) FILTER (WHERE status = 'success' AND retired), 0) AS retired_executed,
            coalesce(-sum(n) FILTER (WHERE status = 'failed' AND retired), 0) AS retired_failed
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
        retired_found = t.retired_found + excluded.retired_found,
        retired_executed = t.retired_executed + excluded.retired_executed,
        retired_failed = t.retired_failed + excluded.retired_failed,
        updated_at = excluded.updated_at
)
SELECT
    count(*),
    coalesce(sum(n) FILTER (WHERE status = 'success' AND NOT retired), 0)::bigint,
    coalesce(sum(n) FILTER (WHERE status = 'failed' AND NOT retired), 0)::bigint
FROM taken
