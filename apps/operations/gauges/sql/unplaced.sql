-- An empty default partition costs a look at its size.
SELECT 'scheduler_unplaced_rows', coalesce(sum(n), 0)::float8
FROM unnest(ARRAY['executions_attempt', 'executions_executionlog']) AS parent
CROSS JOIN LATERAL executions_unplaced(parent)
