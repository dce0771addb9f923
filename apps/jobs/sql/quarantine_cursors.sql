-- Take jobs that cannot be planned out of the schedule. The tick that was due is kept in paused_from: whoever repairs the job
-- accounts for the time since. Only where the cursor is still where it was read. Returns the jobs taken out.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM unnest(%(job_ids)s::bigint[], %(next_run_ats)s::timestamptz[], %(versions)s::integer[], %(reasons)s::text[])
        AS broken (job_id, next_run_at, version, reason)
)
UPDATE jobs_cursor AS cursor
SET quarantined_at = clock_timestamp(), quarantine_reason = left(broken.reason, 500),
    paused_from = cursor.next_run_at, next_run_at = NULL
FROM broken
JOIN jobs_job AS job ON job.id = broken.job_id AND job.version = broken.version
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = broken.job_id
  AND cursor.next_run_at = broken.next_run_at
RETURNING cursor.job_id
