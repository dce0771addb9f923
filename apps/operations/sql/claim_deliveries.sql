-- Lease messages that are due. Whoever marks them later has to know the token; who dies leaves them to the next after the
-- lease. What is for a suspended tenant waits.
UPDATE operations_delivery AS delivery
SET lease_token = gen_random_uuid(), attempts = delivery.attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => %(lease)s::float8)
WHERE delivery.id = ANY (ARRAY(
    SELECT due.id
    FROM operations_delivery AS due
    JOIN tenants_tenant AS tenant ON tenant.id = due.tenant_id AND tenant.status = 'active'
    WHERE due.state = 'pending' AND due.due_at <= clock_timestamp()
    ORDER BY due.due_at
    LIMIT %(limit)s
    FOR UPDATE OF due SKIP LOCKED))
RETURNING delivery.id, delivery.tenant_id, delivery.channel_id, delivery.message_id, delivery.content, delivery.is_test,
    delivery.attempts, delivery.lease_token, delivery.created_at, clock_timestamp()
