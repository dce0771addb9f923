-- The tenant, its plan's name and its hosts, as one JSON object.
SELECT jsonb_build_object(
    'id', tenant.id, 'short_name', tenant.schema_name, 'name', tenant.name, 'status', tenant.status,
    'created_at', tenant.created_at, 'plan', plan.name,
    'domains', (SELECT jsonb_agg(domain.domain ORDER BY domain.id) FROM tenants_domain AS domain WHERE domain.tenant_id = tenant.id)
)::text
FROM tenants_tenant AS tenant
JOIN tenants_plan AS plan ON plan.id = tenant.plan_id
WHERE tenant.id = %(tenant_id)s
