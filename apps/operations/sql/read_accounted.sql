-- For each of these jobs, the last tick that has an outcome or will get one (in the ledger, under way, or skipped); null
-- where there is none. The ledger's maximum is read backwards from an index by job, newest partition first.
SELECT
    job.id,
    greatest(
        (
            SELECT max(log.scheduled_for)
            FROM executions_executionlog AS log
            WHERE log.tenant_id = job.tenant_id AND log.job_id = job.id AND log.kind IN ('scheduled', 'backfill')
        ),
        (
            SELECT max(live.scheduled_for)
            FROM executions_execution AS live
            WHERE live.job_id = job.id AND live.kind IN ('scheduled', 'backfill')
        ),
        (SELECT max(skip.last) FROM executions_skip AS skip WHERE skip.job_id = job.id)
    )
FROM jobs_job AS job
WHERE job.id = ANY (%(job_ids)s::bigint[])
