-- Forget messages that were sent or given up long ago.
DELETE FROM operations_delivery
WHERE id = ANY (ARRAY(
    SELECT id FROM operations_delivery
    WHERE finished_at <= clock_timestamp() - make_interval(secs => %(kept)s::float8)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
