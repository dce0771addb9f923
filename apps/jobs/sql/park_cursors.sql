-- Clear the due time of cursors whose job is switched off or deleted. Services do so themselves; this is for a cursor that was
-- left behind, which the loop would find due for ever. The tick is kept in paused_from.
UPDATE jobs_cursor
SET paused_from = coalesce(paused_from, next_run_at), next_run_at = NULL
WHERE job_id = ANY (%(job_ids)s::bigint[])
