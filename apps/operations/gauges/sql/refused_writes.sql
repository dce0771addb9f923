-- A small table: retention keeps it so. The last hour by the index refused_by_age.
SELECT format('scheduler_refused_writes_total{actor="%%s",what="%%s"}', actor, what), sum(count)::float8
FROM leadership_refusedwrite
GROUP BY actor, what
UNION ALL
SELECT 'scheduler_refused_writes_last_hour', coalesce(sum(count), 0)::float8
FROM leadership_refusedwrite
WHERE at > (SELECT clock_timestamp() - interval '1 hour')
