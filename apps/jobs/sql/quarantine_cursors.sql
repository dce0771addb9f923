-- Take jobs that cannot be planned out of the schedule; their cursors are held. The tick that was due is kept in paused_from:
-- whoever repairs the job accounts for the time since. Returns what the journal says of each.
WITH broken AS MATERIALIZED (
    SELECT given.job_id, (%(reasons)s::text[])[given.part] AS reason
    FROM unnest(%(job_ids)s::bigint[], %(parts)s::integer[]) AS given (job_id, part)
)
UPDATE jobs_cursor AS cursor
SET quarantined_at = clock_timestamp(), quarantine_reason = left(broken.reason, 500),
    paused_from = cursor.next_run_at, next_run_at = NULL
FROM broken
JOIN jobs_job AS job ON job.id = broken.job_id
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND job.id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = broken.job_id
RETURNING
    cursor.job_id, cursor.tenant_id, job.task_type, job.user_id, job.legacy_user_id, cursor.paused_from, broken.reason
