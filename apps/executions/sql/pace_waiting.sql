-- Let ticks of these jobs that have been dispatched and wait, and that may start within [after, before), come one after the
-- other from `start` on (null: now), in the order of their times. One that has been tried goes on as its retries say, and one
-- that a worker is just taking is left to it.
WITH given AS MATERIALIZED (
    SELECT job_id, after, before, coalesce(start, clock_timestamp()) AS start, pace
    FROM unnest(
        %(job_ids)s::bigint[], %(afters)s::timestamptz[], %(befores)s::timestamptz[], %(starts)s::timestamptz[],
        %(paces)s::integer[]
    ) AS given (job_id, after, before, start, pace)
), waiting AS MATERIALIZED (
    SELECT e.id, e.job_id, e.scheduled_for, given.start, given.pace
    FROM executions_execution AS e
    JOIN given ON given.job_id = e.job_id
    WHERE e.job_id = ANY (%(job_ids)s::bigint[]) AND e.state = 'pending' AND e.kind = 'scheduled' AND e.attempt = 0
      AND (given.after IS NULL OR e.run_at >= given.after) AND (given.before IS NULL OR e.run_at < given.before)
    FOR UPDATE OF e SKIP LOCKED
), placed AS MATERIALIZED (
    SELECT
        id,
        start + interval '1 second'
            * (pace * (row_number() OVER (PARTITION BY job_id ORDER BY scheduled_for, id) - 1)) AS run_at
    FROM waiting
), moved AS (
    UPDATE executions_execution AS e
    SET run_at = placed.run_at, rank = NULL
    FROM placed
    WHERE e.id = ANY (ARRAY(SELECT id FROM placed)) AND e.id = placed.id
    RETURNING e.id
)
SELECT count(*) FROM moved
