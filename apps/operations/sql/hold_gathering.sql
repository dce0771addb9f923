-- Hold the tenant's notices for this transaction, unless somebody else holds them or has just made a message of them.
SELECT 1
FROM jobs_noticewanted
WHERE tenant_id = %(tenant_id)s
  AND (gathered_at IS NULL OR gathered_at <= clock_timestamp() - make_interval(secs => %(apart)s::float8))
FOR UPDATE SKIP LOCKED
