-- The bounds of the partitions of tables that have a tenant's rows. The default partitions have none.
SELECT parent.relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz
FROM pg_class AS parent
JOIN pg_namespace AS n ON n.oid = parent.relnamespace AND n.nspname = 'public'
JOIN pg_attribute AS a ON a.attrelid = parent.oid AND a.attname = 'tenant_id'
JOIN pg_inherits AS i ON i.inhparent = parent.oid
JOIN pg_class AS partition ON partition.oid = i.inhrelid
CROSS JOIN LATERAL regexp_match(
    pg_get_expr(partition.relpartbound, partition.oid), $$FROM \('([^']+)'\) TO \('([^']+)'\)$$
) AS bounds
WHERE parent.relkind = 'p' AND bounds IS NOT NULL
ORDER BY 1, 2
