-- Add one check cycle to each tenant's totals, in order of tenants. The figures of the term start over with a new epoch.
INSERT INTO executions_tenanttotals AS totals (
    tenant_id, check_cycles, tasks_found, tasks_skipped,
    term_epoch, term_checks, term_found, term_skipped, last_check_at, updated_at
)
SELECT tenant_id, 1, found, skipped, %(epoch)s, 1, found, skipped, clock_timestamp(), clock_timestamp()
FROM unnest(%(tenant_ids)s::bigint[], %(found)s::bigint[], %(skipped)s::bigint[]) AS work (tenant_id, found, skipped)
ORDER BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET
    check_cycles = totals.check_cycles + 1,
    tasks_found = totals.tasks_found + excluded.tasks_found,
    tasks_skipped = totals.tasks_skipped + excluded.tasks_skipped,
    term_checks = 1 + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_checks ELSE 0 END,
    term_found = excluded.term_found
        + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_found ELSE 0 END,
    term_skipped = excluded.term_skipped
        + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_skipped ELSE 0 END,
    term_executed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_executed ELSE 0 END,
    term_failed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_failed ELSE 0 END,
    term_epoch = excluded.term_epoch,
    last_check_at = excluded.last_check_at,
    updated_at = excluded.updated_at
