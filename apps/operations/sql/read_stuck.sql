-- Live executions that nobody will bring to a good end, after `after` in the order of ids; of these ids and this tenant, or of
-- all. The problem is null for one that waits for longer than it should and whose target or content has to be looked at.
--
-- The queue and the ledger are read in one snapshot: what ends moves from one to the other in one transaction, so an
-- execution that is in both is not on its way. A lease that is over for a while is one that no leader took back.
WITH clock AS MATERIALIZED (
    SELECT
        clock_timestamp() - %(expired)s AS expired,
        clock_timestamp() - %(overdue)s AS overdue
), live AS (
    SELECT
        e.id, e.tenant_id, e.job_id, e.job_name, e.kind, e.scheduled_for, e.state, e.attempt, e.lost, e.worker,
        e.lease_expires_at, e.run_at, e.target, e.content_version,
        CASE
            WHEN EXISTS (
                SELECT FROM executions_executionlog AS log  -- by its unique key
                WHERE log.job_id = e.job_id AND log.scheduled_for = e.scheduled_for AND log.tenant_id = e.tenant_id
                  AND (CASE log.kind WHEN 'scheduled' THEN 0 WHEN 'backfill' THEN -1 ELSE log.id END)
                    = (CASE e.kind WHEN 'scheduled' THEN 0 WHEN 'backfill' THEN -1 ELSE e.id END)
            ) THEN 'already_ended'
            WHEN (e.state = 'pending' OR e.lease_expires_at < clock.expired)
                AND (job.id IS NULL OR job.deleted_at IS NOT NULL) THEN 'job_deleted'
            WHEN e.lease_expires_at < clock.expired THEN 'lease_expired'
        END AS problem,
        e.state = 'pending' AND e.run_at < clock.overdue AS is_overdue
    FROM executions_execution AS e
    CROSS JOIN clock
    JOIN tenants_tenant AS tenant ON tenant.id = e.tenant_id
    LEFT JOIN jobs_job AS job ON job.id = e.job_id AND job.tenant_id = e.tenant_id
    WHERE e.id > %(after)s AND tenant.status <> 'deleting'
      AND (%(tenant_id)s::bigint IS NULL OR e.tenant_id = %(tenant_id)s)
      AND (%(ids)s::bigint[] IS NULL OR e.id = ANY (%(ids)s::bigint[]))
)
SELECT
    id, tenant_id, job_id, job_name, kind, scheduled_for, state, attempt, lost, worker, lease_expires_at, run_at, target,
    content_version, problem
FROM live
WHERE problem IS NOT NULL OR is_overdue
ORDER BY id
LIMIT %(limit)s
