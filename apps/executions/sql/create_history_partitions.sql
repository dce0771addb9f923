-- Partitions of one table for days of the past, by the month where that is possible; returns how many were missing.
SELECT executions_create_history_partitions(%(table)s, %(days)s::date[])
