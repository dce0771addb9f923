-- Put a tenant's totals right by what they are off. A difference, not a value: whatever the leader adds meanwhile stays.
INSERT INTO executions_tenanttotals AS t (tenant_id, tasks_found, tasks_executed, tasks_failed, tasks_skipped)
VALUES (%(tenant_id)s, %(tasks_found)s, %(tasks_executed)s, %(tasks_failed)s, %(tasks_skipped)s)
ON CONFLICT (tenant_id) DO UPDATE SET
    tasks_found = t.tasks_found + excluded.tasks_found,
    tasks_executed = t.tasks_executed + excluded.tasks_executed,
    tasks_failed = t.tasks_failed + excluded.tasks_failed,
    tasks_skipped = t.tasks_skipped + excluded.tasks_skipped,
    updated_at = clock_timestamp()
