-- How many of these cursors still stand where they were read, whoever holds them.
SELECT count(*)
FROM jobs_cursor AS cursor
JOIN unnest(%(job_ids)s::bigint[], %(versions)s::integer[], %(parts)s::integer[]) AS given (job_id, version, part)
    ON given.job_id = cursor.job_id
WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
  AND (%(dues)s::timestamptz[])[given.part] IS NOT DISTINCT FROM cursor.next_run_at
  AND cursor.version = given.version
