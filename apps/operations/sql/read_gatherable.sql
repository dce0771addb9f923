-- Active tenants with notices that have waited for others of the same moment, and without a message in the last minute.
SELECT wanted.tenant_id
FROM jobs_noticewanted AS wanted
JOIN tenants_tenant AS tenant ON tenant.id = wanted.tenant_id AND tenant.status = 'active'
WHERE (wanted.gathered_at IS NULL
       OR wanted.gathered_at <= clock_timestamp() - make_interval(secs => %(apart)s::float8))
  AND EXISTS (
      SELECT FROM jobs_notice AS notice
      WHERE notice.tenant_id = wanted.tenant_id
        AND notice.created_at <= clock_timestamp() - make_interval(secs => %(wait)s::float8))
ORDER BY wanted.gathered_at NULLS FIRST
LIMIT %(limit)s
