-- In a tenant's scope: versions of contents that nobody can run any more, of these jobs or of all after `after`, by job. What
-- can is a job that is not deleted, with the version that it names, and a live execution, with the one that it was made with.
SELECT
    content.job_id, min(job.name), bool_or(job.id IS NOT NULL), bool_or(job.id IS NOT NULL AND job.deleted_at IS NULL),
    array_agg(content.version ORDER BY content.version)
FROM vault_jobcontent AS content
LEFT JOIN jobs_job AS job ON job.id = content.job_id AND job.tenant_id = %(tenant_id)s
WHERE content.job_id > %(after)s
  AND (%(job_ids)s::bigint[] IS NULL OR content.job_id = ANY (%(job_ids)s::bigint[]))
  AND (job.id IS NULL OR job.deleted_at IS NOT NULL OR content.version <> job.content_version)
  AND NOT EXISTS (
      SELECT FROM executions_execution AS live
      WHERE live.tenant_id = %(tenant_id)s AND live.job_id = content.job_id
        AND live.content_version = content.version
  )
GROUP BY content.job_id
ORDER BY content.job_id
LIMIT %(limit)s
