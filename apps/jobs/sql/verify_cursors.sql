-- Where the locked cursors stand now, whether their jobs are switched on, and whether an execution of theirs waits or runs. A
-- statement of its own after the lock: its snapshot sees what the transaction that the lock waited for has committed. A backfill
-- that waits is not live in this sense: a backlog of them would have every tick skipped as an overlap.
SELECT
    cursor.job_id, cursor.next_run_at, job.version,
    job.switch = 'active' AND job.deleted_at IS NULL AS active,
    EXISTS (
        SELECT FROM executions_execution AS live
        WHERE live.job_id = cursor.job_id AND (live.kind <> 'backfill' OR live.state <> 'pending')
    ) AS live
FROM jobs_cursor AS cursor
JOIN jobs_job AS job ON job.id = cursor.job_id
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND job.id = ANY (%(job_ids)s::bigint[])
