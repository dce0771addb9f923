-- Of the next tenants by id: what each has that is older than it is kept. Each question is one look into an index.
SELECT
    k.tenant_id, k.schema_name, greatest(k.cutoff, '0001-01-01 UTC'),  -- Python has no -infinity
    (
        SELECT c.hour FROM executions_counter AS c
        WHERE c.tenant_id = k.tenant_id AND c.hour < k.cutoff
        ORDER BY c.hour LIMIT 1
    ) AS hour,
    EXISTS (
        SELECT FROM executions_skip AS s WHERE s.tenant_id = k.tenant_id AND s.last < k.cutoff
    ) AS skips,
    EXISTS (
        SELECT FROM leadership_schedulerevent AS e WHERE e.tenant_id = k.tenant_id AND e.event_date < k.cutoff
    ) AS events,
    EXISTS (
        SELECT FROM tenants_idempotentrequest AS r
        WHERE r.tenant_id = k.tenant_id AND r.created_at < clock_timestamp() - %(answers_kept)s::interval
    ) AS answers,
    EXISTS (
        SELECT FROM executions_usage AS u
        WHERE u.tenant_id = k.tenant_id AND (
            (u.period = 'minute' AND u.begins < clock_timestamp() - %(minutes_kept)s::interval)
            OR (u.period = 'day' AND u.begins < clock_timestamp() - %(days_kept)s::interval)
        )
    ) AS usage,
    EXISTS (
        SELECT FROM executions_importrun AS i
        WHERE i.tenant_id = k.tenant_id AND i.updated_at < clock_timestamp() - %(days_kept)s::interval
    ) AS imports
FROM executions_cutoffs() AS k
WHERE k.tenant_id > %(after)s
ORDER BY k.tenant_id
LIMIT %(limit)s
