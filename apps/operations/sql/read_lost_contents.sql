-- In a tenant's scope: jobs that are on and whose content the vault has not, of these or of all. One statement and so one
-- snapshot: an edit writes the new content with the job that names it.
SELECT job.id, job.name, job.content_version
FROM jobs_job AS job
LEFT JOIN vault_jobcontent AS content ON content.job_id = job.id AND content.version = job.content_version
WHERE job.tenant_id = %(tenant_id)s AND job.deleted_at IS NULL AND job.switch = 'active' AND content.id IS NULL
  AND (%(job_ids)s::bigint[] IS NULL OR job.id = ANY (%(job_ids)s::bigint[]))
ORDER BY job.id
