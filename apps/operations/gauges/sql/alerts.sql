-- A row for each alert.
SELECT
    'scheduler_alerts_age_seconds',
    coalesce(extract(epoch FROM clock_timestamp() - max(evaluated_at))::float8, 'Infinity')
FROM operations_alertstate
