-- What a tenant's next line in the journal begins from: how old its last check cycle there is (seconds, null where there is
-- none), and its totals.
SELECT
    asked.tenant_id,
    (
        SELECT extract(epoch FROM clock_timestamp() - event.event_date)::float8
        FROM leadership_schedulerevent AS event
        WHERE event.tenant_id = asked.tenant_id AND event.event_type = 'check_cycle'
        ORDER BY event.event_date DESC
        LIMIT 1
    ) AS age,
    coalesce(totals.check_cycles, 0), coalesce(totals.tasks_executed, 0), coalesce(totals.tasks_failed, 0)
FROM unnest(%(tenant_ids)s::bigint[]) AS asked (tenant_id)
LEFT JOIN executions_tenanttotals AS totals USING (tenant_id)
