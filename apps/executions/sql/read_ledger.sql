-- A tenant's ledger beyond a key, newest first. Each status is a scan of index executionlog_of_tenant that is in order and
-- stops at the limit, so the cost is that of the page, wherever it lies. The bound on scheduled_for alone says nothing
-- new; it is what partitions are skipped by.
SELECT log.*
FROM unnest(%(statuses)s::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT *
    FROM executions_executionlog AS log
    WHERE log.tenant_id = %(tenant_id)s AND log.status = wanted.status
      AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
      AND log.scheduled_for <= %(after_time)s AND (log.scheduled_for, log.id) < (%(after_time)s, %(after_id)s)
    ORDER BY log.scheduled_for DESC, log.id DESC
    LIMIT %(size)s
) AS log
ORDER BY log.scheduled_for DESC, log.id DESC
LIMIT %(size)s
