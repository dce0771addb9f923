-- A row for each tenant. What retention deleted goes on counting there.
SELECT 'scheduler_executions_total{status="success"}', coalesce(sum(tasks_executed), 0)::float8
FROM executions_tenanttotals
UNION ALL
SELECT 'scheduler_executions_total{status="failed"}', coalesce(sum(tasks_failed), 0)::float8
FROM executions_tenanttotals
