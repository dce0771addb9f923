-- Give up what has waited for longer than anything is tried, such as that of a tenant that is suspended.
UPDATE operations_delivery
SET state = 'given_up', finished_at = clock_timestamp(), lease_token = NULL, content = '{}'::jsonb
WHERE id = ANY (ARRAY(
    SELECT id FROM operations_delivery
    WHERE state = 'pending' AND due_at <= clock_timestamp()
      AND created_at <= clock_timestamp() - make_interval(secs => %(give_up)s::float8)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
