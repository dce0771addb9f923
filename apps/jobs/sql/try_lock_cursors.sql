-- Hold those of these cursors that nobody else holds, until the end of the transaction. One that is being edited must not hold
-- up the others, nor the heartbeat of the leader; it is looked at again. Returns the jobs whose cursors are held.
SELECT job_id
FROM jobs_cursor
WHERE job_id = ANY (%(job_ids)s::bigint[])
ORDER BY job_id
FOR UPDATE SKIP LOCKED
