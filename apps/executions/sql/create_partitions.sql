-- Partitions for yesterday and the week ahead; returns how many were missing.
SELECT executions_create_partitions((clock_timestamp() AT TIME ZONE 'UTC')::date - 1, (clock_timestamp() AT TIME ZONE 'UTC')::date + 7)
