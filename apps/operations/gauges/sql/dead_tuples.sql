-- By oid: the statistics views would join the tables of every tenant's schema.
SELECT
    format('scheduler_dead_tuples{table="%%s"}', name),
    pg_stat_get_dead_tuples(to_regclass('public.' || name))::float8
FROM unnest(%(hot_tables)s::text[]) AS hot (name)
WHERE to_regclass('public.' || name) IS NOT NULL
