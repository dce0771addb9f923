-- Seconds until the next lease runs out; null without leases.
SELECT extract(epoch FROM min(lease_expires_at) - clock_timestamp())::float8
FROM executions_execution
WHERE state = 'leased'
