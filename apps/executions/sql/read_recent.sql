-- The latest of each job: what has finished, what is live, and the ranges that were skipped. Each is a scan of an index
-- that is in order of the job's times and stops at the limit: executionlog_one_per_tick, execution_one_per_tick,
-- skip_once_per_tick. The bound on scheduled_for is what partitions are skipped by.
SELECT
    wanted.job_id, log.id, log.status, log.scheduled_for, log.scheduled_for, log.execution_time_ms, NULL, 1, log.kind,
    'finished'
FROM unnest(%(job_ids)s::bigint[]) AS wanted (job_id)
CROSS JOIN LATERAL (
    SELECT id, status, scheduled_for, execution_time_ms, kind
    FROM executions_executionlog
    WHERE job_id = wanted.job_id AND tenant_id = %(tenant_id)s AND scheduled_for >= %(since)s
    ORDER BY scheduled_for DESC
    LIMIT %(count)s
) AS log
UNION ALL
SELECT wanted.job_id, live.id, 'running', live.scheduled_for, live.scheduled_for, NULL, NULL, 1, live.kind, live.state
FROM unnest(%(job_ids)s::bigint[]) AS wanted (job_id)
CROSS JOIN LATERAL (
    SELECT id, scheduled_for, kind, state
    FROM executions_execution
    WHERE job_id = wanted.job_id AND tenant_id = %(tenant_id)s
    ORDER BY scheduled_for DESC
    LIMIT %(count)s
) AS live
UNION ALL
SELECT wanted.job_id, -skip.id, 'skipped', skip.first, skip.last, NULL, skip.reason, skip.count, NULL, NULL
FROM unnest(%(job_ids)s::bigint[]) AS wanted (job_id)
CROSS JOIN LATERAL (
    SELECT id, first, last, reason, count
    FROM executions_skip
    WHERE job_id = wanted.job_id AND tenant_id = %(tenant_id)s
    ORDER BY first DESC
    LIMIT %(count)s
) AS skip
