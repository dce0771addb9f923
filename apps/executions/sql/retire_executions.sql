-- Delete a batch of a tenant's finished executions of one day, with their outputs and attempts, and take them out of the
-- counts in the same go. In the tenant's scope. The bounds on scheduled_for say nothing new; partitions are skipped by them.
WITH stale AS MATERIALIZED (
    SELECT log.id
    FROM unnest(%(statuses)s::text[]) AS wanted (status)
    CROSS JOIN LATERAL (
        SELECT id
        FROM executions_executionlog AS log
        WHERE log.tenant_id = %(tenant_id)s AND log.status = wanted.status
          AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
        ORDER BY log.scheduled_for
        LIMIT %(limit)s
    ) AS log
    LIMIT %(limit)s
), gone AS MATERIALIZED (
    DELETE FROM executions_executionlog
    WHERE id = ANY (ARRAY(SELECT id FROM stale)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(since)s AND scheduled_for < %(until)s
    RETURNING id, tenant_id, user_id, legacy_user_id, task_type, status, scheduled_for, kind, epoch
), outputs AS (
    DELETE FROM executions_executionoutput
    WHERE execution_id = ANY (ARRAY(SELECT id FROM gone)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(since)s AND scheduled_for < %(until)s
), attempts AS (
    DELETE FROM executions_attempt
    WHERE execution_id = ANY (ARRAY(SELECT id FROM gone)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(since)s AND scheduled_for < %(until)s
), counted AS (
    INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired, retired)
    SELECT
        tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
        date_trunc('hour', scheduled_for, 'UTC'), -count(*),
        -count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL), true
    FROM gone
    GROUP BY 1, 2, 3, 4, 5
)
SELECT count(*) FROM gone
