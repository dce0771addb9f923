-- Totals and tallies are written together, by each fold of the leader, and retention's part is in the totals alone. A tenant's
-- cycle is what its checks found on average, at least one.
SELECT
    'scheduler_stat_drift_cycles',
    coalesce(max(
        greatest(
            abs(totals.tasks_executed - totals.retired_executed - tally.succeeded),
            abs(totals.tasks_failed - totals.retired_failed - tally.failed)
        ) / greatest(totals.tasks_found::float8 / greatest(totals.check_cycles, 1), 1)
    ), 0)::float8
FROM executions_tenanttotals AS totals
JOIN tenants_tenant AS tenant ON tenant.id = totals.tenant_id AND tenant.status <> 'deleting'
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(n) FILTER (WHERE status = 'success'), 0) AS succeeded,
        coalesce(sum(n) FILTER (WHERE status = 'failed'), 0) AS failed
    FROM executions_tally
    WHERE tenant_id = totals.tenant_id AND user_key IS NULL
) AS tally
