-- Partitions that may be dropped whole, oldest first: past the longest plan's days, and without a row of a tenant that
-- keeps its own for longer (for ever, or since it imported). Outputs and attempts go after the logs they belong to. None
-- goes while an import is under way, which makes the partitions that it is about to fill.
WITH cutoffs AS MATERIALIZED (
    SELECT * FROM executions_cutoffs()
), longest AS (
    SELECT date_trunc('day', now(), 'UTC') - make_interval(days => max(retention_days)) AS before FROM cutoffs
), parts AS MATERIALIZED (
    SELECT parent, p.*
    FROM unnest(ARRAY['executions_executionlog', 'executions_executionoutput', 'executions_attempt']) AS parent
    CROSS JOIN LATERAL executions_partitions(parent) AS p
    WHERE p.ends <= (SELECT before FROM longest)
)
SELECT part.parent, part.partition, part.begins, part.ends
FROM parts AS part
WHERE NOT EXISTS (
    SELECT FROM cutoffs
    WHERE cutoffs.cutoff < part.ends AND EXISTS (
        SELECT FROM executions_counter AS c
        WHERE c.tenant_id = cutoffs.tenant_id AND c.hour >= part.begins AND c.hour < part.ends
    )
) AND (part.parent = 'executions_executionlog' OR NOT EXISTS (
    SELECT FROM executions_partitions('executions_executionlog') AS log
    WHERE log.begins < part.ends AND log.ends > part.begins
)) AND NOT EXISTS (
    SELECT FROM executions_importrun WHERE finished_at IS NULL AND updated_at > now() - interval '1 hour'
)
ORDER BY part.begins, part.parent = 'executions_executionlog' DESC, part.parent
