-- Counters have cells of an hour: all of this one, and of the one before as much as lies in the last 60 minutes. By the
-- index counter_of_hour.
WITH clock AS MATERIALIZED (
    SELECT
        date_trunc('hour', clock_timestamp(), 'UTC') AS hour,
        extract(epoch FROM clock_timestamp() - date_trunc('hour', clock_timestamp(), 'UTC')) / 3600 AS passed
)
SELECT
    format('scheduler_executions_last_hour{status="%%s"}', status),
    sum(n * CASE WHEN hour >= (SELECT hour FROM clock) THEN 1 ELSE 1 - (SELECT passed FROM clock) END)::float8
FROM executions_counter
WHERE hour >= (SELECT hour - interval '1 hour' FROM clock) AND hour <= (SELECT hour FROM clock)
GROUP BY status
