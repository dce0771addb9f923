-- What a tenant was charged in this minute and in this day, by schedule and by request together.
SELECT
    coalesce(sum(n) FILTER (WHERE period = 'minute'), 0)::bigint AS minute,
    coalesce(sum(n) FILTER (WHERE period = 'day'), 0)::bigint AS day
FROM executions_usage
WHERE tenant_id = %(tenant_id)s
  AND ((period = 'minute' AND begins = %(minute)s) OR (period = 'day' AND begins = %(day)s))
