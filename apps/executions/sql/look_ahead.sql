-- The database's time, and when the next waiting execution may start; seconds since the epoch.
SELECT
    extract(epoch FROM clock_timestamp())::float8,
    (SELECT extract(epoch FROM min(run_at))::float8 FROM executions_execution WHERE state = 'pending')
