-- Forget notices that nobody made a message of in time: their tenant is suspended, or was meanwhile.
DELETE FROM jobs_notice
WHERE id = ANY (ARRAY(
    SELECT id FROM jobs_notice
    WHERE created_at <= clock_timestamp() - make_interval(secs => %(give_up)s::float8)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
