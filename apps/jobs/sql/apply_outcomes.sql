-- Tell the cursors how their jobs' executions ended. Notes may come late and out of order: the newest by finished_at wins, a
-- success ends the run of failures unless a failure is already known after it, and a failure counts unless a success is.
--
-- What ends the run of failures closes the job's cool-off as well. As many failures in a row as the job allows open one: the
-- first, or, of failures that came after the last one was over (half open), the next, twice as long, up to a day. A failure
-- that was under way when the cool-off began is no news and makes it no longer.
-- Returns each job with what the journal says of it, and with its cool-off before and after.
WITH told AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(job_ids)s::bigint[], %(statuses)s::text[], %(finished_ats)s::timestamptz[], %(success_ats)s::timestamptz[],
        %(failure_ats)s::timestamptz[], %(reasons)s::text[], %(streaks)s::integer[], %(streak_ats)s::timestamptz[]
    ) AS told (job_id, status, finished_at, success_at, failure_at, reason, streak, streak_at)
), counted AS MATERIALIZED (
    SELECT
        told.*, cursor.cool_off_until AS cooled_until, cursor.cool_offs,
        coalesce(told.success_at >= coalesce(cursor.last_failure_at, '-infinity'), false) AS recovered,
        CASE
            WHEN told.success_at >= coalesce(cursor.last_failure_at, '-infinity') THEN told.streak
            WHEN told.failure_at < cursor.last_success_at THEN cursor.consecutive_failures
            ELSE cursor.consecutive_failures + told.streak END AS in_a_row,
        cursor.consecutive_failures AS in_a_row_before
    FROM told
    JOIN jobs_cursor AS cursor ON cursor.job_id = told.job_id
    WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
), weighed AS MATERIALIZED (
    SELECT
        counted.*, job.name, job.task_type, job.user_id, job.legacy_user_id, job.misfire_pace_seconds,
        job.cool_off_seconds,
        CASE WHEN recovered THEN 0 ELSE cool_offs END AS earlier,
        job.cool_off_after > 0 AND in_a_row >= job.cool_off_after
            AND (in_a_row > in_a_row_before OR recovered)
            AND (recovered OR cooled_until IS NULL OR streak_at >= cooled_until) AS opens
    FROM counted
    JOIN jobs_job AS job ON job.id = counted.job_id
    WHERE job.id = ANY (%(job_ids)s::bigint[])
)
UPDATE jobs_cursor AS cursor
SET last_status = CASE
        WHEN cursor.last_finished_at > weighed.finished_at THEN cursor.last_status ELSE weighed.status END,
    last_finished_at = greatest(cursor.last_finished_at, weighed.finished_at),
    last_success_at = greatest(cursor.last_success_at, weighed.success_at),
    last_failure_at = greatest(cursor.last_failure_at, weighed.failure_at),
    failure_reason = CASE
        WHEN weighed.failure_at IS NULL OR cursor.last_failure_at > weighed.failure_at
        THEN cursor.failure_reason ELSE weighed.reason END,
    consecutive_failures = weighed.in_a_row,
    cool_off_until = CASE
        WHEN weighed.opens THEN clock_timestamp() + make_interval(
            secs => least(weighed.cool_off_seconds * 2.0 ^ least(weighed.earlier, 20), %(longest)s))
        WHEN NOT weighed.recovered THEN cursor.cool_off_until END,
    cool_offs = weighed.earlier + CASE WHEN weighed.opens AND weighed.earlier < 1000 THEN 1 ELSE 0 END
FROM weighed
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = weighed.job_id
RETURNING
    cursor.job_id, cursor.tenant_id, weighed.name, weighed.task_type, weighed.user_id, weighed.legacy_user_id,
    extract(epoch FROM clock_timestamp() - cursor.journaled_at)::float8 AS journal_age, cursor.consecutive_failures,
    weighed.cooled_until, cursor.cool_off_until, cursor.cool_offs, weighed.misfire_pace_seconds, weighed.in_a_row_before,
    weighed.recovered
