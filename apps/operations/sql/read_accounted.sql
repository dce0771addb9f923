-- For each of these jobs, the last tick that has an outcome or will get one (in the ledger, under way, or skipped), and when
-- its schedule last took effect according to the journal; null where there is none. The ledger's maximum is read backwards
-- from index executionlog_of_job, newest partition first. The journal has no index by job: the lines of the tenants in
-- question are read once for all the jobs.
WITH job AS MATERIALIZED (
    SELECT id, tenant_id FROM jobs_job WHERE id = ANY (%(job_ids)s::bigint[])
), placed AS MATERIALIZED (
    SELECT event.job_id, max(event.event_date) AS at
    FROM leadership_schedulerevent AS event
    WHERE event.tenant_id = ANY (ARRAY(SELECT DISTINCT tenant_id FROM job))
      AND event.event_type = 'job_scheduled'
      AND event.job_id = ANY (%(job_ids)s::bigint[])
    GROUP BY event.job_id
)
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
    ) AS accounted,
    placed.at AS scheduled_at
FROM job
LEFT JOIN placed ON placed.job_id = job.id
