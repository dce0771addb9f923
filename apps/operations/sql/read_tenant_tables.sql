-- The shared tables that have a tenant's rows, and which of each other they refer to.
WITH ours AS (
    SELECT c.oid, c.relname
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attname = 'tenant_id' AND NOT a.attisdropped
)
SELECT
    ours.relname::text,
    ARRAY(
        SELECT DISTINCT referred.relname::text
        FROM pg_constraint AS f
        JOIN ours AS referred ON referred.oid = f.confrelid
        WHERE f.conrelid = ours.oid AND f.contype = 'f'
    )
FROM ours
ORDER BY 1
