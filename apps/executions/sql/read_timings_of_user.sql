-- As read_timings, of one user: each hour, status and form of the user's id is a scan of index executionlog_of_user, or of
-- executionlog_of_legacy_user for rows that have the integer alone.
SELECT
    one.hour, count(*) AS n,
    percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY sample.lag_ms) AS lag_ms,
    percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY sample.execution_time_ms) AS duration_ms
FROM unnest(%(hours)s::timestamptz[]) AS one (hour)
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN log.started_at IS NOT NULL THEN  -- imported ones do not say
            greatest(round(extract(epoch FROM log.started_at - log.run_at) * 1000), 0)::bigint
        END AS lag_ms,
        log.execution_time_ms
    FROM (
        SELECT log.*
        FROM unnest(%(statuses)s::text[]) AS wanted (status)
        CROSS JOIN unnest(%(strings)s::text[]) AS form (user_id)
        CROSS JOIN LATERAL (
            SELECT log.scheduled_for, log.id, log.run_at, log.started_at, log.execution_time_ms
            FROM executions_executionlog AS log
            WHERE log.tenant_id = %(tenant_id)s AND log.user_id = form.user_id AND log.status = wanted.status
              AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
              AND log.scheduled_for >= one.hour AND log.scheduled_for < one.hour + interval '1 hour'
            ORDER BY log.scheduled_for DESC, log.id DESC
            LIMIT %(size)s
        ) AS log
        UNION ALL
        SELECT log.*
        FROM unnest(%(statuses)s::text[]) AS wanted (status)
        CROSS JOIN unnest(%(integers)s::bigint[]) AS form (legacy_user_id)
        CROSS JOIN LATERAL (
            SELECT log.scheduled_for, log.id, log.run_at, log.started_at, log.execution_time_ms
            FROM executions_executionlog AS log
            WHERE log.tenant_id = %(tenant_id)s AND log.user_id IS NULL AND log.legacy_user_id = form.legacy_user_id
              AND log.status = wanted.status
              AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
              AND log.scheduled_for >= one.hour AND log.scheduled_for < one.hour + interval '1 hour'
            ORDER BY log.scheduled_for DESC, log.id DESC
            LIMIT %(size)s
        ) AS log
    ) AS log
    ORDER BY log.scheduled_for DESC, log.id DESC
    LIMIT %(size)s
) AS sample
GROUP BY one.hour
