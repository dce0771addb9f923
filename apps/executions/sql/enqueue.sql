-- Make executions, and wake the workers when that commits. A tick that is live already is left as it is; the ids returned
-- are those of the rows made.
-- What may run now gets its rank: the place after its tenant's last one of the same or a higher priority, but no earlier
-- than the queue's clock, which is the first rank that waits, of all tenants. So a tenant's burst delays nobody else's first row.
WITH given AS MATERIALIZED (
    SELECT *, run_at <= clock_timestamp() AS ready
    FROM unnest(
        %(tenant_id)s::bigint[], %(job_id)s::bigint[], %(job_name)s::text[], %(user_id)s::text[],
        %(legacy_user_id)s::bigint[], %(kind)s::text[], %(retry_of)s::bigint[], %(scheduled_for)s::timestamptz[],
        %(run_at)s::timestamptz[], %(task_type)s::text[], %(target)s::text[], %(epoch)s::bigint[],
        %(priority)s::smallint[], %(content_version)s::integer[], %(timeout_seconds)s::integer[],
        %(max_attempts)s::smallint[], %(retry_delay_seconds)s::integer[], %(retry_max_delay_seconds)s::integer[],
        %(max_concurrency)s::smallint[]
    ) AS given (
        tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type, target,
        epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
        max_concurrency
    )
), place AS MATERIALIZED (
    SELECT
        lane.tenant_id, lane.priority,
        greatest(
            (SELECT executions_queue_clock()),  -- whoever asks sees no other tenant's rows
            (
                SELECT waiting.rank FROM executions_execution AS waiting
                WHERE waiting.state = 'pending'  -- no more: see the index execution_of_tenant
                  AND waiting.tenant_id = lane.tenant_id AND waiting.priority >= lane.priority
                ORDER BY waiting.rank DESC NULLS LAST LIMIT 1
            ),
            0
        ) AS last
    FROM (SELECT DISTINCT tenant_id, priority FROM given) AS lane
), made AS MATERIALIZED (
    INSERT INTO executions_execution (
        tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type, target,
        epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
        max_concurrency, rank
    )
    SELECT
        tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type, target,
        epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds,
        max_concurrency,
        CASE WHEN ready THEN
            last + row_number() OVER (
                PARTITION BY tenant_id, ready ORDER BY priority DESC, run_at, scheduled_for, job_id
            )
        END
    FROM given
    JOIN place USING (tenant_id, priority)
    ORDER BY run_at, scheduled_for  -- and so the ids
    ON CONFLICT (job_id, scheduled_for, kind, retry_of) DO NOTHING
    RETURNING id
), told AS MATERIALIZED (
    SELECT pg_notify('scheduler_work', '') FROM made LIMIT 1
)
SELECT id FROM made WHERE (SELECT count(*) FROM told) > 0
