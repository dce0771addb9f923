-- Runs of reconcilers, of a tenant or of all, and of a user's platforms. By the index audit_of_repairs.
SELECT
    'scheduler_reconcile_failures_last_hour',
    coalesce(sum(
        CASE action
            WHEN 'reconcile.run' THEN (data ->> 'failures')::bigint
            ELSE (SELECT count(*) FROM jsonb_object_keys(coalesce(data -> 'failures', '{}')))
        END
    ), 0)::float8
FROM tenants_auditentry
WHERE action IN ('reconcile.run', 'platforms.reconcile')
  AND at > (SELECT clock_timestamp() - interval '1 hour')
