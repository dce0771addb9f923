-- A tenant's latest skips that reach beyond `since`, at most `size` of them, or those of some jobs: how many of their times
-- lie in each hour, where a skip begins and ends in one; a row for each that reaches over several. Read by index
-- skip_of_tenant, whoever's they are, so that the cost is bounded; `cut_at` is where the bound cut, or null.
WITH latest AS MATERIALIZED (
    SELECT job_id, first, last, count
    FROM executions_skip
    WHERE tenant_id = %(tenant_id)s AND last >= %(since)s
    ORDER BY last DESC
    LIMIT %(size)s
), bound AS (
    SELECT CASE WHEN count(*) = %(size)s THEN min(last) END AS cut_at FROM latest
), wanted AS (
    SELECT *, date_trunc('hour', first, 'UTC') = date_trunc('hour', last, 'UTC') AS is_within
    FROM latest
    WHERE %(job_ids)s::bigint[] IS NULL OR job_id = ANY (%(job_ids)s::bigint[])
)
SELECT wanted.first, wanted.last, wanted.count, bound.cut_at
FROM bound
LEFT JOIN (
    SELECT min(first) AS first, max(last) AS last, sum(count)::bigint AS count
    FROM wanted
    WHERE is_within
    GROUP BY date_trunc('hour', first, 'UTC')
    UNION ALL
    SELECT first, last, count FROM wanted WHERE NOT is_within
) AS wanted ON true
