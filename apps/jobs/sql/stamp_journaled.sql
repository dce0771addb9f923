-- Remember that the journal has a line on these jobs' completions as of now.
UPDATE jobs_cursor
SET journaled_at = clock_timestamp()
WHERE job_id = ANY (%(job_ids)s::bigint[])
