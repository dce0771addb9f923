-- How far the user ids of the ledger are: a line for each tenant that the session may see. For psql as the application's
-- role, with `SET scheduler.all_tenants = 'on'` for all tenants or `SET search_path = <tenant>, public` for one; and for
-- `manage.py user_id_backfill_report`, which reads this file.
--
--   total        every row
--   with_string  rows that have the string
--   legacy       rows with the integer alone
--   backfilled   rows with both
--   unresolved   those of `legacy` whose integer nobody has mapped; a backfill cannot help them
SELECT
    tenant.schema_name AS tenant,
    count(log.id) AS total,
    count(log.id) FILTER (WHERE log.user_id IS NOT NULL) AS with_string,
    count(log.id) FILTER (WHERE log.user_id IS NULL AND log.legacy_user_id IS NOT NULL) AS legacy,
    count(log.id) FILTER (WHERE log.user_id IS NOT NULL AND log.legacy_user_id IS NOT NULL) AS backfilled,
    count(log.id) FILTER (
        WHERE log.user_id IS NULL AND log.legacy_user_id IS NOT NULL AND identity.id IS NULL
    ) AS unresolved
FROM tenants_tenant AS tenant
LEFT JOIN executions_executionlog AS log ON log.tenant_id = tenant.id
LEFT JOIN tenants_useridentity AS identity
    ON log.user_id IS NULL AND identity.tenant_id = log.tenant_id AND identity.legacy_user_id = log.legacy_user_id
GROUP BY tenant.schema_name
ORDER BY tenant.schema_name;
