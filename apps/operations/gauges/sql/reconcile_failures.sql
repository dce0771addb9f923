-- Runs of reconcilers, of a tenant or of all, and of a user's platforms. By the index audit_of_tenant.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() - interval '1 hour' AS since
), runs AS (
    SELECT entry.action, entry.data
    FROM tenants_tenant AS tenant
    CROSS JOIN LATERAL (
        SELECT audited.action, audited.data
        FROM tenants_auditentry AS audited
        WHERE audited.tenant_id = tenant.id AND audited.at > (SELECT since FROM clock)
          AND audited.action IN ('reconcile.run', 'platforms.reconcile')
        OFFSET 0
    ) AS entry
    UNION ALL
    SELECT audited.action, audited.data
    FROM tenants_auditentry AS audited
    WHERE audited.tenant_id IS NULL AND audited.at > (SELECT since FROM clock) AND audited.action = 'reconcile.run'
)
SELECT
    'scheduler_reconcile_failures_last_hour',
    coalesce(sum(
        CASE action
            WHEN 'reconcile.run' THEN (data ->> 'failures')::bigint
            ELSE (SELECT count(*) FROM jsonb_object_keys(coalesce(data -> 'failures', '{}')))
        END
    ), 0)::float8
FROM runs
