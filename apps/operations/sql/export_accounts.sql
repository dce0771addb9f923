-- The accounts of a tenant's members: what names a person, and no password.
SELECT jsonb_build_object('id', account.id, 'username', account.username, 'email', account.email)::text
FROM tenants_membership AS membership
JOIN tenants_user AS account ON account.id = membership.account_id
WHERE membership.tenant_id = %(tenant_id)s
