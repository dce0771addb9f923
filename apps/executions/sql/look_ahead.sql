-- The database's time, and when the next execution that has no place in the queue yet may start; seconds since the epoch.
SELECT
    extract(epoch FROM clock_timestamp())::float8,
    (
        SELECT extract(epoch FROM run_at)::float8
        FROM executions_execution
        WHERE state = 'pending' AND rank IS NULL
        ORDER BY run_at LIMIT 1
    )
