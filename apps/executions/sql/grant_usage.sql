-- Grant tenants as many of the executions that their schedules want as their plans leave in this minute and this day, and
-- charge them. Only the leader writes rows of 'schedule', so it waits for nobody: rows of 'request' are read as they are
-- committed, without a lock. `latest` is the last minute of the day in which anything was made. A limit of 0 is none.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(%(tenant_ids)s::bigint[], %(wanted)s::bigint[], %(per_minute)s::bigint[], %(per_day)s::bigint[])
        AS wanted (tenant_id, wanted, per_minute, per_day)
), used AS MATERIALIZED (
    SELECT
        wanted.*,
        (
            SELECT coalesce(sum(n), 0) FROM executions_usage AS cell
            WHERE cell.tenant_id = wanted.tenant_id AND period = 'minute' AND begins = %(minute)s
        ) AS minute,
        (
            SELECT coalesce(sum(n), 0) FROM executions_usage AS cell
            WHERE cell.tenant_id = wanted.tenant_id AND period = 'day' AND begins = %(day)s
        ) AS day,
        (
            SELECT max(begins) FROM executions_usage AS cell
            WHERE cell.tenant_id = wanted.tenant_id AND period = 'minute' AND begins BETWEEN %(day)s AND %(minute)s
        ) AS latest
    FROM wanted
), granted AS MATERIALIZED (
    SELECT
        *,
        greatest(0, least(
            wanted,
            CASE WHEN per_minute > 0 THEN per_minute - minute END,
            CASE WHEN per_day > 0 THEN per_day - day END
        )) AS allowed
    FROM used
), charged AS (
    INSERT INTO executions_usage AS usage (tenant_id, period, begins, by, n)
    SELECT tenant_id, period, begins, 'schedule', allowed
    FROM granted
    CROSS JOIN (VALUES ('day', %(day)s), ('minute', %(minute)s)) AS cell (period, begins)
    WHERE allowed > 0
    ORDER BY tenant_id, period
    ON CONFLICT (tenant_id, period, begins, by) DO UPDATE SET n = usage.n + excluded.n
)
SELECT tenant_id, allowed::bigint, minute::bigint, day::bigint, latest
FROM granted
