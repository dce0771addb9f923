-- Switch off jobs whose endpoint answered that it is gone, as `job_pause` does: the tick that is next is kept in paused_from,
-- and the change is in the audit trail. Their cursors are locked. Left alone is a job that has other content since, that has
-- had a success since, or that is off already. Returns the jobs switched off.
WITH gone AS MATERIALIZED (
    SELECT *
    FROM unnest(%(job_ids)s::bigint[], %(content_versions)s::integer[], %(ats)s::timestamptz[])
        AS gone (job_id, content_version, at)
), stood AS MATERIALIZED (
    SELECT cursor.job_id, cursor.next_run_at, cursor.paused_from
    FROM gone
    JOIN jobs_cursor AS cursor ON cursor.job_id = gone.job_id
    WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
      AND (cursor.last_success_at IS NULL OR cursor.last_success_at <= gone.at)
), off AS MATERIALIZED (
    UPDATE jobs_job AS job
    SET switch = 'paused', pause_reason = %(reason)s, paused_at = clock_timestamp(),
        version = job.version + 1, updated_at = clock_timestamp()
    FROM gone
    JOIN stood ON stood.job_id = gone.job_id
    WHERE job.id = ANY (%(job_ids)s::bigint[])
      AND job.id = gone.job_id AND job.content_version = gone.content_version
      AND job.switch = 'active' AND job.deleted_at IS NULL
    RETURNING job.id, job.tenant_id, job.version, job.paused_at, stood.next_run_at, stood.paused_from
), recorded AS (
    INSERT INTO tenants_auditentry (tenant_id, actor, action, object_type, object_id, reason, data)
    SELECT
        tenant_id, 'scheduler', 'job.pause', 'job', id::text, %(reason)s,
        jsonb_build_object(
            'version', version, 'epoch', %(epoch)s::bigint,
            'before', jsonb_build_object(
                'switch', 'active', 'pause_reason', '', 'paused_at', NULL, 'next_run_at', next_run_at),
            'after', jsonb_build_object(
                'switch', 'paused', 'pause_reason', %(reason)s::text, 'paused_at', paused_at, 'next_run_at', NULL)
        )
    FROM off
)
UPDATE jobs_cursor AS cursor
SET version = off.version, paused_from = coalesce(off.next_run_at, off.paused_from), next_run_at = NULL
FROM off
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = off.id
RETURNING cursor.job_id
