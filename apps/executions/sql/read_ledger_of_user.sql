-- As read_ledger, of one user: each status and each form of the user's id is a scan of index executionlog_of_user, or of
-- executionlog_of_legacy_user for rows that have the integer alone.
SELECT log.*
FROM (
    SELECT log.*
    FROM unnest(%(statuses)s::text[]) AS wanted (status)
    CROSS JOIN unnest(%(strings)s::text[]) AS form (user_id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM executions_executionlog AS log
        WHERE log.tenant_id = %(tenant_id)s AND log.user_id = form.user_id AND log.status = wanted.status
          AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
          AND log.scheduled_for <= %(after_time)s AND (log.scheduled_for, log.id) < (%(after_time)s, %(after_id)s)
        ORDER BY log.scheduled_for DESC, log.id DESC
        LIMIT %(size)s
    ) AS log
    UNION ALL
    SELECT log.*
    FROM unnest(%(statuses)s::text[]) AS wanted (status)
    CROSS JOIN unnest(%(integers)s::bigint[]) AS form (legacy_user_id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM executions_executionlog AS log
        WHERE log.tenant_id = %(tenant_id)s AND log.user_id IS NULL AND log.legacy_user_id = form.legacy_user_id
          AND log.status = wanted.status
          AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
          AND log.scheduled_for <= %(after_time)s AND (log.scheduled_for, log.id) < (%(after_time)s, %(after_id)s)
        ORDER BY log.scheduled_for DESC, log.id DESC
        LIMIT %(size)s
    ) AS log
) AS log
ORDER BY log.scheduled_for DESC, log.id DESC
LIMIT %(size)s
