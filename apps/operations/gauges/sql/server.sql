-- Another role's sessions show no times to us; all of ours are one role's. A vacuum holds nothing up as a transaction does.
SELECT
    'scheduler_oldest_transaction_seconds',
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
UNION ALL
SELECT 'scheduler_connections_used', coalesce(sum(numbackends), 0)::float8 FROM pg_stat_database
UNION ALL
SELECT
    'scheduler_connections_max',
    (
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true), '0')::integer
    )::float8
