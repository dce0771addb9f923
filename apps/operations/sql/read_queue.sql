-- The live executions by what they are at. Few, as a finished one leaves the table.
SELECT
    count(*) FILTER (WHERE state = 'pending' AND run_at <= %(now)s),
    count(*) FILTER (WHERE state = 'pending' AND run_at > %(now)s),
    count(*) FILTER (WHERE state = 'leased' AND (lease_expires_at < %(now)s) IS NOT TRUE),
    count(*) FILTER (WHERE state = 'leased' AND lease_expires_at < %(now)s),
    min(run_at) FILTER (WHERE state = 'pending' AND run_at <= %(now)s)
FROM executions_execution
