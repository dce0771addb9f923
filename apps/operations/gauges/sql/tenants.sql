-- A small table.
SELECT format('scheduler_tenants{status="%%s"}', status), count(*)::float8
FROM tenants_tenant
GROUP BY status
