-- Rows of the ledger with an integer alone that no identity maps, of all tenants that the session may see.
SELECT count(*)
FROM executions_executionlog AS log
WHERE log.user_id IS NULL AND log.legacy_user_id IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM tenants_useridentity AS identity
      WHERE identity.tenant_id = log.tenant_id AND identity.legacy_user_id = log.legacy_user_id
  )
