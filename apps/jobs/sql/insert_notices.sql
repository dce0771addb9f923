-- Keep what tenants are to be told of, of those that have asked to be told of it.
INSERT INTO jobs_notice (
    tenant_id, event, at, job_id, job_name, task_type, user_id, legacy_user_id, failures, reason, cool_off_until
)
SELECT
    notice.tenant_id, notice.event, notice.at, notice.job_id, notice.job_name, notice.task_type, notice.user_id,
    notice.legacy_user_id, notice.failures, notice.reason, notice.cool_off_until
FROM unnest(
    %(tenant_ids)s::bigint[], %(events)s::text[], %(ats)s::timestamptz[], %(job_ids)s::bigint[], %(names)s::text[],
    %(task_types)s::text[], %(user_ids)s::text[], %(legacy_user_ids)s::bigint[], %(failures)s::integer[],
    %(reasons)s::text[], %(cool_off_untils)s::timestamptz[]
) WITH ORDINALITY AS notice (
    tenant_id, event, at, job_id, job_name, task_type, user_id, legacy_user_id, failures, reason, cool_off_until, n
)
JOIN jobs_noticewanted AS wanted ON wanted.tenant_id = notice.tenant_id AND notice.event = ANY (wanted.events)
JOIN tenants_tenant AS tenant ON tenant.id = notice.tenant_id AND tenant.status = 'active'
ORDER BY notice.n
