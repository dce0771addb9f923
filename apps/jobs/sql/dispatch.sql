-- Write what was decided for jobs whose cursors are held: executions for the ticks that run, skips for those that do not,
-- the cursors' next times, the tenants' totals, and one NOTIFY. The jobs are given in parts; those of one part have the same
-- ticks. What a worker must know of a job is copied from it.
--
-- An execution that may run now gets its rank, as in enqueue: after its tenant's last of the same or a higher priority,
-- but no earlier than the queue's clock. Within a tenant the ticks of this transaction are ranked by priority, then by time.
-- `careful`: a tick that is live already is left as it is. None is, unless somebody set a cursor back, so it is only looked for
-- once the database has refused a batch: to ask for each row is dear.
-- Every array is zipped and hashed, and rows are found by their keys.
WITH member AS MATERIALIZED (
    SELECT * FROM unnest(%(job_ids)s::bigint[], %(parts)s::integer[]) AS member (job_id, part)
), job AS MATERIALIZED (
    SELECT
        member.part, job.id, job.tenant_id, job.name, job.user_id, job.legacy_user_id, job.task_type, job.target,
        job.priority, job.content_version, job.timeout_seconds, job.max_attempts, job.retry_delay_seconds,
        job.retry_max_delay_seconds,
        CASE job.overlap WHEN 'queue' THEN 1 ELSE job.max_concurrency END AS max_concurrency
    FROM jobs_job AS job
    JOIN member ON member.job_id = job.id
    WHERE job.id = ANY (%(job_ids)s::bigint[])
), fire AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(fire_parts)s::integer[], %(ticks)s::timestamptz[], %(run_ats)s::timestamptz[], %(spreads)s::float8[]
    ) AS fire (part, tick, run_at, spread)
), due AS MATERIALIZED (
    SELECT
        job.*, fire.tick,
        -- As in jobs/jitter.py.
        CASE WHEN fire.spread = 0 THEN fire.run_at ELSE
            fire.run_at + fire.spread * interval '1 second'
                * (mod(job.id::numeric * 2654435761, 4294967296) / 4294967296)::float8
        END AS run_at
    FROM job
    JOIN fire ON fire.part = job.part
    WHERE NOT %(careful)s
       OR (
            SELECT count(*)
            FROM executions_execution AS execution
            WHERE execution.job_id = job.id AND execution.scheduled_for = fire.tick AND execution.kind = 'scheduled'
        ) = 0
), place AS MATERIALIZED (
    SELECT
        lane.tenant_id, lane.priority,
        greatest(
            (
                SELECT rank - 1 FROM executions_execution
                WHERE state = 'pending' AND rank IS NOT NULL
                ORDER BY rank LIMIT 1
            ),
            (
                SELECT waiting.rank FROM executions_execution AS waiting
                WHERE waiting.state = 'pending'  -- no more: see the index execution_of_tenant
                  AND waiting.tenant_id = lane.tenant_id AND waiting.priority >= lane.priority
                ORDER BY waiting.rank DESC NULLS LAST LIMIT 1
            ),
            0
        ) AS last
    FROM (SELECT DISTINCT tenant_id, priority FROM due) AS lane
), made AS (
    INSERT INTO executions_execution (
        tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target, epoch,
        priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
        max_concurrency, rank
    )
    SELECT
        tenant_id, id, name, user_id, legacy_user_id, 'scheduled', tick, run_at, task_type, target, %(epoch)s,
        priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
        max_concurrency,
        CASE WHEN ready THEN
            last + row_number() OVER (PARTITION BY tenant_id, ready ORDER BY priority DESC, run_at, tick, id)
        END
    FROM (SELECT *, run_at <= (SELECT clock_timestamp()) AS ready FROM due) AS due
    JOIN place USING (tenant_id, priority)
    RETURNING job_id
), told AS (
    SELECT pg_notify('scheduler_work', '') FROM made LIMIT 1
), skipped AS (
    INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, detail, epoch)
    SELECT job.tenant_id, job.id, skip.first, skip.last, skip.count, skip.reason, skip.detail, %(epoch)s
    FROM unnest(
        %(skip_parts)s::integer[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(counts)s::bigint[],
        %(reasons)s::text[], %(details)s::text[]
    ) AS skip (part, first, last, count, reason, detail)
    JOIN job ON job.part = skip.part
    ON CONFLICT (job_id, first) DO NOTHING  -- a range that begins where one begins is that range
), moved AS (
    UPDATE jobs_cursor AS cursor
    SET next_run_at = step.next_run_at, last_scheduled_for = step.accounted
    FROM member
    JOIN unnest(%(next_run_ats)s::timestamptz[], %(accounted)s::timestamptz[])
        WITH ORDINALITY AS step (next_run_at, accounted, part) ON step.part = member.part
    WHERE cursor.job_id = ANY (%(job_ids)s::bigint[])
      AND cursor.job_id = member.job_id
), work AS MATERIALIZED (
    SELECT
        tenant_id, task_type, sum((%(founds)s::bigint[])[part])::bigint AS found,
        sum((%(skippeds)s::bigint[])[part])::bigint AS skipped
    FROM job
    GROUP BY tenant_id, task_type
), counted AS (
    INSERT INTO executions_tenanttotals AS totals (
        tenant_id, check_cycles, tasks_found, tasks_skipped,
        term_epoch, term_checks, term_found, term_skipped, last_check_at, updated_at
    )
    SELECT
        tenant_id, 1, sum(found), sum(skipped), %(epoch)s, 1, sum(found), sum(skipped),
        clock_timestamp(), clock_timestamp()
    FROM work
    GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET
        check_cycles = totals.check_cycles + 1,
        tasks_found = totals.tasks_found + excluded.tasks_found,
        tasks_skipped = totals.tasks_skipped + excluded.tasks_skipped,
        -- The figures of the term start over with a new epoch.
        term_checks = 1 + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_checks ELSE 0 END,
        term_found = excluded.term_found
            + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_found ELSE 0 END,
        term_skipped = excluded.term_skipped
            + CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_skipped ELSE 0 END,
        term_executed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_executed ELSE 0 END,
        term_failed = CASE WHEN totals.term_epoch = excluded.term_epoch THEN totals.term_failed ELSE 0 END,
        term_epoch = excluded.term_epoch,
        last_check_at = excluded.last_check_at,
        updated_at = excluded.updated_at
)
SELECT
    array_agg(tenant_id), array_agg(task_type), array_agg(found), array_agg(skipped), (SELECT count(*) FROM told)
FROM work
