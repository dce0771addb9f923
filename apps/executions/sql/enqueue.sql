-- Make executions. A tick that is live already is left as it is; the ids returned are those of the rows made.
INSERT INTO executions_execution (
    tenant_id, job_id, job_name, user_id, legacy_user_id, kind, retry_of, scheduled_for, run_at, task_type, target,
    epoch, priority, content_version, timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds
)
SELECT *
FROM unnest(
    %(tenant_id)s::bigint[], %(job_id)s::bigint[], %(job_name)s::text[], %(user_id)s::text[],
    %(legacy_user_id)s::bigint[], %(kind)s::text[], %(retry_of)s::bigint[], %(scheduled_for)s::timestamptz[],
    %(run_at)s::timestamptz[], %(task_type)s::text[], %(target)s::text[], %(epoch)s::bigint[],
    %(priority)s::smallint[], %(content_version)s::integer[], %(timeout_seconds)s::integer[],
    %(max_attempts)s::smallint[], %(retry_delay_seconds)s::integer[], %(retry_max_delay_seconds)s::integer[]
)
ON CONFLICT (job_id, scheduled_for, kind) WHERE kind IN ('scheduled', 'backfill') DO NOTHING
RETURNING id
