-- Hold these cursors until the end of the transaction. In key order, as every writer of several cursors takes them. Returns
-- how many there are.
SELECT count(*)
FROM (
    SELECT
    FROM jobs_cursor
    WHERE job_id = ANY (%(job_ids)s::bigint[])
    ORDER BY job_id
    FOR UPDATE
) AS held
