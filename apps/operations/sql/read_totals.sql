-- A tenant's cumulative totals and what its history says they should be, in one snapshot. What workers have finished and the
-- leader has not folded yet is in the history and not in the totals, and so is taken off. What retention deleted is in the
-- totals and not in the history, and so is added (`retired`; below zero while it waits to be folded). Ticks that a leader
-- found carry its epoch; skips that services wrote for pauses and edits do not.
WITH history AS (
    SELECT
        count(*) FILTER (WHERE status = 'success') AS executed,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL) AS fired
    FROM executions_executionlog
    WHERE tenant_id = %(tenant_id)s
), live AS (
    SELECT count(*) AS fired
    FROM executions_execution
    WHERE tenant_id = %(tenant_id)s AND kind = 'scheduled' AND epoch IS NOT NULL
), passed AS (
    SELECT
        coalesce(sum(count), 0)::bigint AS found,
        coalesce(sum(count) FILTER (WHERE reason NOT IN ('edited', 'cancelled')), 0)::bigint AS skipped
    FROM executions_skip
    WHERE tenant_id = %(tenant_id)s AND epoch IS NOT NULL
), unfolded AS (
    SELECT
        coalesce(sum(n) FILTER (WHERE status = 'success'), 0)::bigint AS executed,
        coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)::bigint AS failed,
        coalesce(-sum(fired) FILTER (WHERE retired), 0)::bigint AS retired_found
    FROM executions_delta
    WHERE tenant_id = %(tenant_id)s
)
SELECT
    coalesce(totals.tasks_found, 0), coalesce(totals.tasks_executed, 0),
    coalesce(totals.tasks_failed, 0), coalesce(totals.tasks_skipped, 0),
    history.fired + live.fired + passed.found + unfolded.retired_found + coalesce(totals.retired_found, 0),
    history.executed - unfolded.executed + coalesce(totals.retired_executed, 0),
    history.failed - unfolded.failed + coalesce(totals.retired_failed, 0),
    passed.skipped + coalesce(totals.retired_skipped, 0)
FROM history, live, passed, unfolded
LEFT JOIN executions_tenanttotals AS totals ON totals.tenant_id = %(tenant_id)s
