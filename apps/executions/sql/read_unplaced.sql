-- Rows that lie in a default partition, by day. Those of outputs lie where their logs do, and only a tenant may see them.
SELECT parent, day, n::integer
FROM unnest(ARRAY['executions_attempt', 'executions_executionlog']) AS parent
CROSS JOIN LATERAL executions_unplaced(parent)
ORDER BY day, parent
