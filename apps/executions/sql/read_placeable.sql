-- Days whose rows lie in a default partition and which can have one of their own: not too far ahead (a day of next year
-- would be no day of the week that is made), and not so old that retention is about to take them.
SELECT DISTINCT day
FROM unnest(ARRAY['executions_attempt', 'executions_executionlog']) AS parent
CROSS JOIN LATERAL executions_unplaced(parent)
WHERE day <= (clock_timestamp() AT TIME ZONE 'UTC')::date + 7
  AND day >= (SELECT min((now() AT TIME ZONE 'UTC')::date - retention_days) FROM executions_cutoffs())
ORDER BY day
