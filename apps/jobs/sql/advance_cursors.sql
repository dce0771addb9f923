-- Move locked cursors past the ticks that this transaction gives an outcome. Rows are pinned by the array of ids; the
-- values are zipped in one step and joined to it.
WITH step AS MATERIALIZED (
    SELECT *
    FROM unnest(%(job_ids)s::bigint[], %(accounted)s::timestamptz[], %(next_run_ats)s::timestamptz[])
        AS step (job_id, accounted, next_run_at)
)
UPDATE jobs_cursor AS cursor
SET next_run_at = step.next_run_at, last_scheduled_for = step.accounted
FROM step
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND cursor.job_id = step.job_id
