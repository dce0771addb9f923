-- Hold, until the end of the transaction, those of these cursors that nobody else holds and that still stand where they were
-- read, with the version of the job that they were planned by: whoever changes a job does so under its cursor's lock and
-- leaves its version there. Where another session has just committed a change, the newest row is what is compared.
--
-- Told of each part of the batch, the jobs apart by how many executions of theirs are in the way: where 1 is asked, whether any
-- waits or runs (a backfill that waits is none: a backlog of them would have every tick skipped; nor is one whose lease has
-- expired, which blocks nothing); where 2 is asked, how many ticks wait. State is asked for by CASE, or the planner would
-- take an index of all that wait for the way to it.
WITH given AS MATERIALIZED (
    SELECT given.job_id, given.version, given.part, (%(dues)s::timestamptz[])[given.part] AS due,
        (%(asks)s::smallint[])[given.part] AS asks
    FROM unnest(%(job_ids)s::bigint[], %(versions)s::integer[], %(parts)s::integer[]) AS given (job_id, version, part)
), held AS MATERIALIZED (
    SELECT cursor.job_id, given.part, given.asks
    FROM jobs_cursor AS cursor
    JOIN given ON given.job_id = cursor.job_id
    WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
      AND given.due IS NOT DISTINCT FROM cursor.next_run_at  -- "=" would lead to the other index
      AND cursor.version = given.version
    FOR UPDATE OF cursor SKIP LOCKED
), seen AS MATERIALIZED (
    SELECT
        job_id, part,
        CASE asks
            WHEN 1 THEN (
                SELECT count(*)
                FROM (
                    SELECT
                    FROM executions_execution AS execution
                    WHERE execution.job_id = held.job_id
                      AND CASE execution.state
                            WHEN 'pending' THEN execution.kind <> 'backfill'
                            ELSE execution.lease_expires_at > (SELECT clock_timestamp()) END
                    LIMIT 1
                ) AS execution
            )
            WHEN 2 THEN (
                SELECT count(*)
                FROM (
                    SELECT
                    FROM executions_execution AS execution
                    WHERE execution.job_id = held.job_id
                      AND CASE execution.state WHEN 'pending' THEN execution.kind = 'scheduled' END
                    LIMIT %(most)s
                ) AS execution
            )
            ELSE 0
        END AS taken
    FROM held
)
SELECT part, taken::integer, count(*)::integer, string_agg(job_id::text, ',') AS job_ids
FROM seen
GROUP BY part, taken
