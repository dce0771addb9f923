-- Up to nine users of a tenant: three by rows with the integer alone, three by rows with both, three with the string alone;
-- among the latest rows of each. With each comes what the identity table says of it, or what the form itself says.
WITH rows AS (
    (SELECT user_id, legacy_user_id, 1 AS kind FROM executions_executionlog
     WHERE tenant_id = %(tenant_id)s AND user_id IS NULL AND legacy_user_id IS NOT NULL LIMIT 5000)
    UNION ALL
    (SELECT user_id, legacy_user_id, CASE WHEN legacy_user_id IS NULL THEN 3 ELSE 2 END FROM executions_executionlog
     WHERE tenant_id = %(tenant_id)s AND user_id IS NOT NULL LIMIT 5000)
), forms AS (
    SELECT DISTINCT coalesce(user_id, legacy_user_id::text) AS form, kind FROM rows
), ranked AS (
    SELECT form, row_number() OVER (PARTITION BY kind ORDER BY form) AS place FROM forms
)
SELECT DISTINCT ranked.form, coalesce(identity.user_id, ranked.form),
    coalesce(identity.legacy_user_id, CASE WHEN ranked.form ~ '^(0|-?[1-9][0-9]{0,17})$' THEN ranked.form::bigint END)
FROM ranked
LEFT JOIN tenants_useridentity AS identity
    ON identity.tenant_id = %(tenant_id)s AND (identity.user_id = ranked.form OR identity.legacy_user_id::text = ranked.form)
WHERE ranked.place <= 3 AND coalesce(identity.user_id, '') !~ '^-?[0-9]+$'
ORDER BY ranked.form
